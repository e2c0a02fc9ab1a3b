import { join, resolve } from 'node:path';
import { fleetAssessment, type FleetAssessment } from '../model/fleet.js';
import { renderFleetHtml } from './fleet-html.js';
import { replaceFile, type WrittenReport } from './write.js';

/** Writes the assessment of many VMs as `report.json` and `report.html` into `directory`, each replaced atomically. */
export async function writeFleetReport(directory: string, fleet: FleetAssessment): Promise<WrittenReport> {
  const folder = resolve(directory);
  const [json, html] = [join(folder, 'report.json'), join(folder, 'report.html')];
  await replaceFile(json, `${JSON.stringify(fleetAssessment.parse(fleet), null, 2)}\n`);
  await replaceFile(html, renderFleetHtml(fleet));
  return { json, html };
}
