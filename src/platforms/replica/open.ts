import { join } from 'node:path';
import type { BlockStore } from '../../blocks/block-device.js';
import { VmferryError } from '../../errors.js';
import type { ForwardedSocket, Host } from '../../exec/host.js';
import type { OpenReplica, OpenReplicaDisk, ReplicaState } from '../platform.js';
import { digestOf, layerFiles, parseState, stateText } from './state.js';
import { EXIT, transact } from './script.js';

/** Connects to an NBD export on a local socket. */
export type OpenStore = (options: {
  socketPath: string;
  exportName: string;
  readOnly?: boolean;
  signal?: AbortSignal;
}) => Promise<BlockStore>;

/** Who holds the writer's lock, and where. */
export interface Writer {
  host: Host;
  platform: string;
  openStore: OpenStore;
  runtimeDir: string;
  folder: string;
  nonce: string;
  superseded(): VmferryError;
}

/** Connects to the exports that the writer started, and gives them as an open replica. On failure they are ended. */
export async function openExports(
  writer: Writer,
  state: ReplicaState,
  options: { readOnly: boolean; note: string | null; signal?: AbortSignal | undefined },
): Promise<OpenReplica> {
  const sockets: ForwardedSocket[] = [];
  const stores: BlockStore[] = [];
  const close = async () => {
    await Promise.allSettled(stores.map((store) => store.close()));
    await Promise.allSettled(sockets.map((socket) => socket.close()));
    await transact(writer.host, { ...writer, seen: null, steps: [['release', writer.nonce]] });
  };
  const connect = async (name: string, exportName: string, readOnly: boolean): Promise<BlockStore> => {
    const socket = await writer.host.forwardSocket(join(writer.runtimeDir, `${name}.sock`), options.signal);
    sockets.push(socket);
    const { signal } = options;
    const store = await writer.openStore({
      socketPath: socket.path,
      exportName,
      readOnly,
      ...(signal ? { signal } : {}),
    });
    stores.push(store);
    return store;
  };
  try {
    const disks: OpenReplicaDisk[] = [];
    for (const [index, { id }] of state.disks.entries()) {
      const data = await connect(`${index}d`, id, options.readOnly);
      disks.push({ id, data, manifest: await connect(`${index}m`, id, false) });
    }
    return new OpenedReplica(writer, state, disks, options.note, close);
  } catch (error) {
    await close().catch(() => undefined);
    throw error;
  }
}

class OpenedReplica implements OpenReplica {
  private closed: Promise<void> | undefined;
  /** Changes of the state file, one after the other. */
  private queue: Promise<unknown> = Promise.resolve();
  /** Digest of the state file as we last saw it. */
  private seen: string;

  constructor(
    private readonly writer: Writer,
    public state: ReplicaState,
    readonly disks: OpenReplicaDisk[],
    readonly note: string | null,
    private readonly end: () => Promise<void>,
  ) {
    this.seen = digestOf(stateText(state));
  }

  notePoint(checkpoint: string): Promise<void> {
    return this.change((state) => {
      const torn = this.tornOf(state);
      if (torn.points.at(-1) === checkpoint) return state;
      return {
        ...state,
        torn: { ...torn, points: [...torn.points.filter((each) => each !== checkpoint), checkpoint] },
      };
    });
  }

  noteMarked(checkpoint: string): Promise<void> {
    return this.change((state) => ({ ...state, torn: { ...this.tornOf(state), marked: checkpoint } }));
  }

  async seal(whole: NonNullable<ReplicaState['whole']>): Promise<void> {
    await Promise.all(this.disks.flatMap(({ data, manifest }) => [data.flush(), manifest.flush()]));
    await this.change((state) => {
      const { pass } = this.tornOf(state);
      if (pass !== whole.pass) {
        throw new VmferryError('Internal', `cannot seal pass ${whole.pass}: pass ${pass} is open`);
      }
      const files = Object.fromEntries(state.disks.map((disk) => [disk.id, layerFiles(disk, pass)]));
      const layers = state.whole === null ? [] : [...state.layers, { pass, files }];
      return { ...state, whole, torn: null, layers };
    });
  }

  close(): Promise<void> {
    this.closed ??= this.end();
    return this.closed;
  }

  private tornOf(state: ReplicaState): NonNullable<ReplicaState['torn']> {
    if (state.torn) return state.torn;
    throw new VmferryError('Internal', 'cannot note a pass: the replica is open for reading');
  }

  private change(next: (state: ReplicaState) => ReplicaState): Promise<void> {
    const done = this.queue.then(() => this.changeNow(next));
    this.queue = done.catch(() => undefined);
    return done;
  }

  /** Writes the next state if the lock is still ours; what another step noted meanwhile is kept. */
  private async changeNow(next: (state: ReplicaState) => ReplicaState): Promise<void> {
    for (;;) {
      const wanted = next(this.state);
      if (wanted === this.state) return;
      const text = stateText(wanted);
      const { exitCode, stdout } = await transact(this.writer.host, {
        ...this.writer,
        seen: this.seen,
        steps: [
          ['mine', this.writer.nonce],
          ['put', digestOf(text)],
        ],
        state: text,
      });
      if (exitCode === EXIT.changed) {
        this.state = parseState(stdout, this.writer.folder);
        this.seen = digestOf(stdout);
        await this.mustBeMine();
        continue;
      }
      if (exitCode !== 0) throw this.writer.superseded();
      this.state = wanted;
      this.seen = digestOf(text);
      return;
    }
  }

  private async mustBeMine(): Promise<void> {
    const steps = [['mine', this.writer.nonce]] as const;
    const { exitCode } = await transact(this.writer.host, { ...this.writer, seen: null, steps });
    if (exitCode !== 0) throw this.writer.superseded();
  }
}
