import type { DiskProgress } from '../src/model/status.js';

/** Live figures of the disks of a running activity, for its heartbeats. */
export class Progress {
  private readonly disks = new Map<string, DiskProgress>();

  update(name: string, doneBytes: number, totalBytes: number, rateBytesPerSecond: number): void {
    this.disks.set(name, { name, doneBytes, totalBytes, rateBytesPerSecond: Math.round(rateBytesPerSecond) });
  }

  list(): DiskProgress[] {
    return [...this.disks.values()];
  }
}
