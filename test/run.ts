import { randomUUID } from 'node:crypto';
import { ServiceError, type WorkflowHandle } from '@temporalio/client';
import type { MigrationStatus } from '../src/model/status.js';
import type { DecisionName } from '../src/request/decisions.js';

/** One migration, as its users see it. */
export class Run {
  /** @param patienceMs how long `until` waits. Default 20,000. */
  constructor(
    readonly handle: WorkflowHandle,
    private readonly patienceMs = 20_000,
  ) {}

  status(): Promise<MigrationStatus> {
    return this.handle.query<MigrationStatus>('getStatus');
  }

  update(name: DecisionName, payload?: unknown): Promise<{ accepted: boolean; text: string }> {
    return this.handle.executeUpdate(
      name,
      payload === undefined ? { args: [] as never } : { args: [payload] as never },
    );
  }

  async signal(name: DecisionName, payload?: unknown): Promise<void> {
    await this.handle.signal(name, ...((payload === undefined ? [] : [payload]) as never));
  }

  /** A signal whose payload no client of the SDK would write. */
  async signalRaw(name: DecisionName, encoding: string, text: string): Promise<void> {
    const { client, workflowId } = this.handle;
    await client.workflowService.signalWorkflowExecution({
      namespace: client.options.namespace,
      workflowExecution: { workflowId },
      signalName: name,
      input: { payloads: [{ metadata: { encoding: Buffer.from(encoding) }, data: Buffer.from(text) }] },
      requestId: randomUUID(),
    });
  }

  /** Waits until the status is as asked; fails after a while with the status that it has. */
  async until(what: string, reached: (status: MigrationStatus) => boolean): Promise<MigrationStatus> {
    const endsAt = Date.now() + this.patienceMs;
    for (;;) {
      const late = Date.now() > endsAt;
      const status = await this.statusIfServed(late);
      if (status && reached(status)) return status;
      if (status && late) {
        const { phase, work, waitingFor, error, events, passCount, trail, probes } = status;
        throw new Error(
          `never ${what}: ${JSON.stringify({ phase, work, waitingFor, error, events, passCount, trail, probes }, null, 1)}`,
        );
      }
      await new Promise((resolve) => setTimeout(resolve, 100));
    }
  }

  /** Null where no worker answers queries just now, as after all were killed; an error when it is too `late` to wait. */
  private async statusIfServed(late: boolean): Promise<MigrationStatus | null> {
    try {
      return await this.status();
    } catch (error) {
      if (late || !(error instanceof ServiceError)) throw error;
      return null;
    }
  }

  phase(phase: MigrationStatus['phase']): Promise<MigrationStatus> {
    return this.until(`in ${phase}`, (status) => status.phase === phase);
  }

  async result(): Promise<{ outcome: string; status: MigrationStatus }> {
    return (await this.handle.result()) as { outcome: string; status: MigrationStatus };
  }
}
