/**
 * Values by path prefix, found by the longest prefix of a path in whole segments.
 *
 * @internal
 */
import { canonicalOfTarget } from "../internal/PathSegment.js"

/**
 * A tree with a node a segment. A lookup ends at the first segment that no prefix goes on with, so a long path costs no
 * more than the prefix that it matches.
 *
 * Several values may claim one prefix. The earliest claim holds it; when that one is released, the next in line does.
 */
export class PrefixTree<A> {
  readonly #root = new Node<A>(undefined, "")

  /**
   * The value with the longest prefix that takes the path, as a request's target has it: percent-encoded differently, it
   * is the same path. Query and fragment don't matter.
   */
  longestPrefix(path: string): A | undefined {
    if (path.charCodeAt(0) !== slash) return undefined
    let node = this.#root
    let longest = node.earliest
    let start = 1
    while (node.children !== undefined) {
      const end = segmentEnd(path, start)
      const segment = path.slice(start, end)
      const child = node.children.get(segment) ?? node.children.get(canonicalOfTarget(segment))
      if (child === undefined) break
      node = child
      longest = child.earliest ?? longest
      if (path.charCodeAt(end) !== slash) break
      start = end + 1
    }
    return longest?.value
  }

  /** Claims a prefix, in its canonical spelling, behind those that have claimed it already. */
  claim(pathPrefix: string, value: A): Claim<A> {
    let node = this.#root
    for (let start = 1; start < pathPrefix.length; ) {
      const end = segmentEnd(pathPrefix, start)
      node = node.childAt(pathPrefix.slice(start, end))
      start = end + 1
    }
    return node.claim(value)
  }
}

/**
 * A value's place at a prefix. The claims of one prefix are a linked list, so that each is released at the same cost.
 */
export class Claim<A> {
  earlier: Claim<A> | undefined
  later: Claim<A> | undefined = undefined
  readonly #node: Node<A>

  constructor(
    readonly value: A,
    node: Node<A>,
    earlier: Claim<A> | undefined
  ) {
    this.#node = node
    this.earlier = earlier
  }

  /** To be called once. */
  release(): void {
    if (this.earlier !== undefined) this.earlier.later = this.later
    if (this.later !== undefined) this.later.earlier = this.earlier
    this.#node.released(this)
  }
}

class Node<A> {
  children: Map<string, Node<A>> | undefined = undefined
  earliest: Claim<A> | undefined = undefined
  #latest: Claim<A> | undefined = undefined
  readonly #parent: Node<A> | undefined
  readonly #segment: string

  constructor(parent: Node<A> | undefined, segment: string) {
    this.#parent = parent
    this.#segment = segment
  }

  childAt(segment: string): Node<A> {
    this.children ??= new Map()
    const existing = this.children.get(segment)
    if (existing !== undefined) return existing
    const child = new Node(this, segment)
    this.children.set(segment, child)
    return child
  }

  claim(value: A): Claim<A> {
    const claim = new Claim(value, this, this.#latest)
    if (this.#latest === undefined) this.earliest = claim
    else this.#latest.later = claim
    this.#latest = claim
    return claim
  }

  released(claim: Claim<A>): void {
    if (this.earliest === claim) this.earliest = claim.later
    if (this.#latest === claim) this.#latest = claim.earlier
    this.#prune()
  }

  #prune(): void {
    let node: Node<A> = this
    while (node.#parent !== undefined && node.earliest === undefined && node.children === undefined) {
      const parent: Node<A> = node.#parent
      parent.children?.delete(node.#segment)
      if (parent.children?.size === 0) parent.children = undefined
      node = parent
    }
  }
}

const slash = 47
const questionMark = 63
const hash = 35
/** A prefix has at most 1,024 characters, each of which may be percent-encoded in a path. */
const maxSegmentLength = 3 * 1024

/** Where the segment ends: at a slash, query, fragment or the end; or where it's longer than any prefix's can be. */
const segmentEnd = (path: string, start: number): number => {
  const limit = Math.min(path.length, start + maxSegmentLength)
  for (let i = start; i < limit; i++) {
    const code = path.charCodeAt(i)
    if (code === slash || code === questionMark || code === hash) return i
  }
  return limit
}
