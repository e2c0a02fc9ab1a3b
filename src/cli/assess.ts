import { dirname, resolve } from 'node:path';
import { VmferryError } from '../errors.js';
import { checkFolder, explainingWrites } from '../file-trouble.js';
import { isGlob } from '../guest/glob.js';
import { buildReport, renderHtml } from '../report/index.js';
import { renderFleetHtml } from '../report/fleet-html.js';
import { replaceFile } from '../report/write.js';
import { printJson, withClient, type Context } from './context.js';
import { exitOfRequest } from './exit.js';
import { assessMany, exitOfFleet, printFleet } from './fleet.js';
import { printEstimate, printFindings, printTrouble } from './outcome.js';
import type { Verbs } from './program.js';
import { buildFleetRequest, buildRequest, collectRequest, type FleetFlags, type RequestFlags } from './request.js';
import { checkedRequest, collect, requestOptions } from './request-options.js';
import { start, waitFor } from './start.js';

interface Flags extends RequestFlags, FleetFlags {
  all?: boolean;
  config?: string;
  json?: boolean;
  html?: string;
}

export function addAssess(verbs: Verbs): void {
  const { context } = verbs;
  const verb = verbs
    .verb(
      'assess',
      'Find out what stands against a migration, of one VM or of a whole site; changes nothing',
      [
        'vmferry assess web01 --from dc-old --to dc-new --json',
        'vmferry assess --all --from dc-old --to dc-new --network prod=lan --html site.html',
        "vmferry assess 'web*' db01 --from dc-old --to dc-new",
      ].join('\n'),
    )
    .argument('[vm...]', 'names of VMs at the source, or patterns such as "web*"; or in the request file')
    .option('-a, --all', 'every VM of the source')
    .option('--exclude <vm>', 'with many: leave out VMs of this name or pattern; may be repeated', collect)
    .option('--assume-rate <rate>', 'with many: the rate of copying to reckon with, such as 200MiB/s')
    .option('--json', 'print JSON: of one VM its findings, of many the whole assessment')
    .option('--html <file>', 'write the assessment as one HTML file, too');
  requestOptions(verb).action(verbs.action((vms: string[], flags: Flags) => assess(context, vms, flags)));
}

async function assess(context: Context, vms: string[], flags: Flags): Promise<number> {
  if (flags.html !== undefined) await checkFolder(dirname(resolve(flags.html)), ELSEWHERE);
  if (await isOne(vms, flags)) return await assessOne(context, vms[0], flags);
  const request = await checkedRequest(flags.config, () => buildFleetRequest(vms, flags));
  const fleet = await withClient(context, (connected) => assessMany(context, connected, request));
  if (flags.html !== undefined) await write(flags.html, renderFleetHtml(fleet));
  if (flags.json) printJson(context, fleet);
  else printFleet(context, fleet);
  return exitOfFleet(fleet);
}

/** Whether a single VM is meant: then it is a dry run of its migration. */
async function isOne(vms: readonly string[], flags: Flags): Promise<boolean> {
  if (flags.all && vms.length > 0) {
    throw new VmferryError('InvalidRequest', 'cannot assess all VMs and only those named', {
      remedy: 'Give names, or --all; `--exclude` leaves some out of all.',
    });
  }
  if (flags.all || vms.length > 1 || vms.some(isGlob)) return false;
  if (vms.length === 1) return true;
  const given = await collectRequest(flags);
  if ('vms' in given) return false;
  if ('vm' in given) return true;
  throw new VmferryError('InvalidRequest', 'cannot assess: no VM is named', {
    remedy: 'Name one or more, or every VM of the source with --all.',
  });
}

async function assessOne(context: Context, vm: string | undefined, flags: Flags): Promise<number> {
  // Whatever a request file or --set says: assessing changes nothing.
  const request = { ...(await checkedRequest(flags.config, () => buildRequest(vm, flags))), dryRun: true };
  return await withClient(context, async (connected) => {
    const started = await start(connected, request);
    const status = await waitFor(context, connected, started, { json: true });
    printTrouble(context, status);
    if (flags.html !== undefined) await write(flags.html, renderHtml(buildReport(status)));
    if (flags.json) printJson(context, status.findings);
    else {
      printFindings(context, status);
      printEstimate(context, status);
    }
    return exitOfRequest(status);
  });
}

const ELSEWHERE = 'Name another file with --html.';

async function write(file: string, page: string): Promise<void> {
  const path = resolve(file);
  await explainingWrites(path, ELSEWHERE, () => replaceFile(path, page));
}
