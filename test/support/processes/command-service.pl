# A service in a language that knows nothing of this library: it forks a helper, then answers on the port in PORT.
use strict;
use warnings;
use IO::Socket::INET;

my $helper = fork();
if ($helper == 0) { sleep 600; exit }
my $server = IO::Socket::INET->new(LocalAddr => '127.0.0.1', LocalPort => $ENV{PORT}, Listen => 5, ReuseAddr => 1)
  or die "can't listen on $ENV{PORT}: $!";
$| = 1;
print "answering on $ENV{PORT}\n";
while (my $client = $server->accept()) {
  my $line = <$client>;
  while (my $header = <$client>) { last if $header =~ /^\r?\n$/ }
  my $colour = defined $ENV{COLOUR} ? $ENV{COLOUR} : 'unset';
  my $home = defined $ENV{HOME} ? 'set' : 'unset';
  my $text = "$$ $helper colour $colour, home $home, gateway " . (defined $ENV{IPC_URL} ? 'known' : 'unknown');
  print $client "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: " . length($text) . "\r\n\r\n$text";
  close $client;
}
