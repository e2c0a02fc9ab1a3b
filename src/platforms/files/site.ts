import { statSync } from 'node:fs';
import { VmferryError } from '../../errors.js';
import { LocalHost } from '../../exec/local.js';
import { programVersions } from '../tool-versions.js';
import type { RunState, SourceSite, VmSite, Whereabouts } from '../platform.js';
import type { FilesConnection } from './connect.js';
import { openDiskFile } from './disk-file.js';
import { describe, inventory, withMachine } from './describe.js';
import { lockedFindings } from './locked.js';
import { lookAtDisks, openDisk } from './look.js';
import { served } from './served.js';
import { openPoint, printOf, stampOf } from './point.js';
import { packageKindOf } from './package.js';
import { readNvram } from './side-state.js';

/** Files of machines that are off: they are read, and nothing else is ever done to them. */

const OFF: RunState = { state: 'off', instance: null, autostart: false };

export function createFilesVmSite(at: FilesConnection): VmSite {
  const never = (what: string) => () => Promise.reject(onlyFiles(at, what));
  const nothing = () => Promise.resolve(null);
  return {
    site: at.site,
    platform: 'files',
    abilities: {
      source: true,
      target: canBeTarget(at),
      boots: false,
      changeTracking: false,
      quiesce: false,
      guestAgent: false,
      isolatedBoot: false,
    },
    tools: (signal) => programVersions(new LocalHost(), signal),
    inventory: (signal) => inventory(at, signal),
    describe: (vm, signal) => describe(at, vm, signal),
    runState: (vm, signal) => ifThere(() => withMachine(at, vm, () => Promise.resolve(OFF), signal)),
    whereabouts: (key, disks, signal) => whereabouts(at, 'name' in key ? key.name : key.id, disks, signal),
    // They cannot start by themselves, and are not started by anybody.
    setAutostart: () => Promise.resolve(),
    requestShutdown: () => Promise.resolve(),
    forceOff: () => Promise.resolve(),
    start: never('started'),
    guestFacts: never('looked into while they run'),
    agentFacts: nothing,
    guestExec: never('worked in'),
    guestTrim: never('trimmed by a guest'),
    guestFilesystems: never('looked into while they run'),
    probe: never('probed'),
    resetWithin: never('watched'),
    screenshot: nothing,
    consoleText: nothing,
    close: () => Promise.resolve(),
  };
}

/** Nothing is claimed: any number of migrations may read the same files, as none of them changes anything. */
export function createFilesSource(at: FilesConnection): Omit<SourceSite, keyof VmSite> {
  const done = () => Promise.resolve();
  return {
    sourceFindings: async (vm, disks, signal) => {
      const looked = await withMachine(
        at,
        vm.name,
        async (machine) => {
          const { findings } = await lookAtDisks(machine.from, machine.foreign, at.scratch, signal);
          return [...findings, ...(await lockedFindings(machine, disks, signal))];
        },
        signal,
      );
      return looked.filter(({ id, disk }) => id.startsWith('disk.') && (disk === undefined || disks.includes(disk)));
    },
    withDisks: (vm, disks, work, signal) =>
      withMachine(at, vm.name, (machine) => served(at, machine, disks, work, signal), signal),
    claim: done,
    readClaim: () => Promise.resolve(null),
    noteInClaim: done,
    releaseClaim: done,
    openPoint: (request, signal) => openPoint(at, request, signal),
    currentPoint: () => Promise.resolve(null),
    endPoints: done,
    deleteCheckpoints: done,
    readSideState: (vm, signal) => withMachine(at, vm, (machine) => readNvram(machine, signal), signal),
    listTraces: () => Promise.resolve([]),
    retire: done,
  };
}

async function whereabouts(
  at: FilesConnection,
  vm: string,
  disks: readonly string[],
  signal?: AbortSignal,
): Promise<Whereabouts | null> {
  return ifThere(() =>
    withMachine(
      at,
      vm,
      async ({ name, from, foreign }) => {
        const stamps: Record<string, string> = {};
        for (const disk of foreign.disks.filter((each) => disks.includes(each.id))) {
          if (disk.reference === null) {
            stamps[disk.id] = 'empty';
            continue;
          }
          // Of a compressed one, the file as it lies there.
          const plain = disk.compression === null ? null : await openDiskFile(from.files, disk, signal);
          if (plain) {
            stamps[disk.id] = printOf([plain.stamp]);
            await plain.close();
            continue;
          }
          const chain = await openDisk(from, disk, at.scratch, signal);
          stamps[disk.id] = printOf([stampOf(chain)]);
          await chain.close();
        }
        return { id: name, name, run: OFF, disks: stamps };
      },
      signal,
    ),
  );
}

async function ifThere<T>(look: () => Promise<T>): Promise<T | null> {
  try {
    return await look();
  } catch (error) {
    if (error instanceof VmferryError && error.code === 'NotFound') return null;
    throw error;
  }
}

/** A directory, or one that is yet to be made or mounted: not an address, and not a single file. */
function canBeTarget({ config: { path } }: FilesConnection): boolean {
  if (path === undefined) return false;
  return statSync(path, { throwIfNoEntry: false })?.isDirectory() ?? packageKindOf(path) === null;
}

function onlyFiles(at: FilesConnection, what: string): VmferryError {
  return new VmferryError('NotSupported', `cannot do that at ${at.site}: its VMs are files, which are not ${what}`, {
    platform: 'files',
  });
}
