import type { PackagePlan } from '../src/model/package.js';
import type { Packaging, TargetVm } from '../src/platforms/platform.js';
import { VmferryError } from '../src/errors.js';
import { ownerOf, showProgress, signalOf } from './context.js';
import type { ActivityDeps } from './deps.js';
import type { MigrationActivities, PackageInput } from './io.js';
import { Progress } from './progress.js';
import { sidesOf } from './sides.js';
import { assertSourceOff, finalPassOf } from './stopped.js';

/** At a target that runs no VMs: what stands for defining, starting and probing. */
export function packageActivities(deps: ActivityDeps): Pick<MigrationActivities, 'writePackage' | 'provePackage'> {
  return {
    async writePackage(input) {
      const packaging = packagingOf(deps, input);
      const kept = await finalPassOf(deps, input);
      const [sides] = await Promise.all([
        sidesOf(deps, input, input.description, kept.sides ?? null),
        // What was copied is what the source holds: nobody started it meanwhile.
        assertSourceOff(deps, input, kept),
      ]);
      await packaging.write(vmOf(deps, input), sides, input.package, work());
    },
    async provePackage(input) {
      const results = await packagingOf(deps, input).prove(vmOf(deps, input), input.package, work());
      return { passed: results.every((each) => each.passed), results };
    },
  };
}

function packagingOf(deps: ActivityDeps, input: PackageInput & { package: PackagePlan }): Packaging {
  const { packaging } = deps.site(input.target);
  if (packaging) return packaging;
  throw new VmferryError('Unsafe', `cannot write a package at ${input.target}: it was assessed as a site that does`, {
    remedy: 'Give the site back what it was in vmferry.yaml, or start a new migration.',
  });
}

function vmOf(deps: ActivityDeps, input: PackageInput): TargetVm {
  const { targetName: name, description, networks } = input;
  return { owner: ownerOf(deps, input), name, description, networks };
}

function work() {
  const progress = new Progress();
  showProgress(() => progress.list());
  const began = new Map<string, number>();
  return {
    signal: signalOf(),
    onProgress: (name: string, doneBytes: number, totalBytes: number) => {
      const from = began.get(name) ?? performance.now();
      began.set(name, from);
      const seconds = (performance.now() - from) / 1000;
      progress.update(name, Math.round(doneBytes), totalBytes, seconds > 0 ? doneBytes / seconds : 0);
    },
  };
}
