/** What the requests carry: about 100 bytes, and 300 kB of JSON with many colons. */
export const payloads = {
  small: { runtimeId: "w-1", store: "myStore", key: "myKey", value: { a: 1, b: "hello", c: [1, 2, 3] } },
  big: Array.from({ length: 2_500 }, (_, i) => ({
    id: i,
    name: `user-${i}`,
    url: `http://localhost:${i}/x:y`,
    tags: ["a", "b", "c"],
    at: "2026-01-01T10:00:00Z"
  }))
}
