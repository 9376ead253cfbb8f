/** What the worker of the tests is told to do. */
export type CpuTask =
  | { readonly kind: "primes"; readonly below: number }
  | { readonly kind: "spin"; readonly started: Int32Array; readonly stop: Int32Array }
  | { readonly kind: "fail"; readonly message: string }
  | { readonly kind: "exit" }
  | { readonly kind: "length"; readonly bytes: ArrayBuffer };

/** Keeps its thread busy until it is done. */
export default function work(task: CpuTask): number {
  switch (task.kind) {
    case "primes":
      return countPrimes(task.below);
    case "spin":
      Atomics.add(task.started, 0, 1);
      while (Atomics.load(task.stop, 0) === 0);
      return Atomics.load(task.stop, 0);
    case "fail":
      throw new TypeError(task.message);
    case "exit":
      return process.exit(3);
    case "length":
      return task.bytes.byteLength;
  }
}

function countPrimes(below: number): number {
  const composite = new Uint8Array(below);
  let count = 0;
  for (let n = 2; n < below; n += 1) {
    if (composite[n] === 1) continue;
    count += 1;
    for (let multiple = n * n; multiple < below; multiple += n) composite[multiple] = 1;
  }
  return count;
}
