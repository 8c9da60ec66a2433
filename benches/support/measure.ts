// What the benchmarks share: times, medians, columns of a table.

/** How often each way is measured: in turns with its peer, so that whatever else the machine does meets both. */
export const ROUNDS = Number(process.env.BENCH_ROUNDS || 5);

export async function seconds(work: () => unknown): Promise<number> {
  const began = performance.now();
  await work();
  return (performance.now() - began) / 1000;
}

export function median(values: number[]): number {
  return [...values].sort((a, b) => a - b)[Math.floor(values.length / 2)] ?? Number.NaN;
}

/** A line of a table: what it is about, then its columns. */
export function line(title: string, ...columns: string[]): string {
  return `${title.padEnd(34)}${columns.map((column) => column.padStart(14)).join("")}`;
}
