/** One benchmark: a file that exports one of these, and a line in main.ts. */
export interface Benchmark {
  name: string;
  /** What `ours` and `theirs` are measured in. */
  unit: string;
  better: 'higher' | 'lower';
  /** What it is measured against, as a command line; null where there is no peer. */
  peer: string | null;
  /** Runs it: pairs in turn, so that both sides meet the same machine. */
  run(context: BenchContext): Promise<Pair[]>;
}

/** One round: ours and, where there is a peer, theirs. */
export interface Pair {
  ours: number;
  theirs: number | null;
  /** Further figures of the round, for the raw record. */
  notes?: Record<string, number | string>;
}

export interface BenchContext {
  /** A folder of its own, removed afterwards. */
  dir: string;
  /** How many pairs. */
  rounds: number;
  log: (line: string) => void;
}

/** As printed with `--json`. */
export interface BenchmarkResult {
  name: string;
  unit: string;
  better: 'higher' | 'lower';
  ours: number;
  theirs: number | null;
  peer: string | null;
  /** Above 1 when ours is better: the median of the ratios of the pairs. Null where there is no peer. */
  ratio: number | null;
  runs: Pair[];
}

export function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = sorted.length >> 1;
  const [low, high] = [sorted[sorted.length % 2 === 0 ? middle - 1 : middle], sorted[middle]];
  return ((low ?? NaN) + (high ?? NaN)) / 2;
}

export function summarise(benchmark: Omit<Benchmark, 'run'>, runs: Pair[]): BenchmarkResult {
  const { name, unit, better, peer } = benchmark;
  const theirs = runs.flatMap((run) => run.theirs ?? []);
  const ratios = runs.flatMap((run) =>
    run.theirs === null ? [] : [better === 'higher' ? run.ours / run.theirs : run.theirs / run.ours],
  );
  return {
    name,
    unit,
    better,
    ours: median(runs.map((run) => run.ours)),
    theirs: theirs.length > 0 ? median(theirs) : null,
    peer,
    ratio: ratios.length > 0 ? median(ratios) : null,
    runs,
  };
}
