import { z } from 'zod';
import { vmferryConfig } from './config.js';
import { finding } from './model/finding.js';
import { fleetAssessment, fleetStatus } from './model/fleet.js';
import { migrationReport } from './model/report.js';
import { heartbeatDetails, migrationStatus } from './model/status.js';
import { vmDescription, vmSummary } from './model/vm.js';
import { assessFleetRequest } from './request/assess-fleet.js';
import { decisionNames, decisionSchemas } from './request/decisions.js';
import { migrateVmRequest } from './request/migrate-vm.js';

/** A JSON Schema, draft 2020-12. */
export type JsonSchema = z.core.JSONSchema.BaseSchema;

interface Published {
  schema: z.ZodType;
  title: string;
  /** `input`: what people write, defaults being optional; `output`: what vmferry gives. */
  io: 'input' | 'output';
}

const PUBLISHED: Record<string, Published> = {
  vmferry: { schema: vmferryConfig, title: 'vmferry.yaml', io: 'input' },
  'migrate-vm': { schema: migrateVmRequest, title: 'The request of migrateVm', io: 'input' },
  'assess-fleet': { schema: assessFleetRequest, title: 'The request of assessFleet', io: 'input' },
  ...Object.fromEntries(
    decisionNames.map((name) => [
      `decision-${name}`,
      { schema: decisionSchemas[name], title: `The payload of the decision ${name}`, io: 'input' } satisfies Published,
    ]),
  ),
  report: { schema: migrationReport, title: 'report.json', io: 'output' },
  status: { schema: migrationStatus, title: 'What getStatus returns and `vmferry status --json` prints', io: 'output' },
  heartbeat: { schema: heartbeatDetails, title: 'Heartbeat details of a running copy', io: 'output' },
  'vm-description': { schema: vmDescription, title: 'What `vmferry describe --json` prints', io: 'output' },
  inventory: { schema: z.array(vmSummary), title: 'What `vmferry inventory --json` prints', io: 'output' },
  findings: { schema: z.array(finding), title: 'What `vmferry assess VM --json` prints', io: 'output' },
  'fleet-assessment': {
    schema: fleetAssessment,
    title: 'What `vmferry assess --all --json` prints, and report.json of assessFleet',
    io: 'output',
  },
  'fleet-status': { schema: fleetStatus, title: 'What getStatus of assessFleet returns', io: 'output' },
};

/** Every published JSON Schema by the name of its file in `docs/schemas/`, without `.json`. */
export function publishedSchemas(): Record<string, JsonSchema> {
  return Object.fromEntries(
    Object.entries(PUBLISHED).map(([name, { schema, title, io }]) => {
      const { $schema, ...rest } = z.toJSONSchema(schema, { io });
      return [name, { ...($schema ? { $schema } : {}), title, ...rest }];
    }),
  );
}
