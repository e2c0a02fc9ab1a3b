import { quoteCommand } from '../exec/quote.js';
import { examplePayload, type DecisionName } from '../request/decisions.js';

/** Where a workflow runs, as far as other programs have to be told. */
export interface RunInfo {
  /** `host:port` of Temporal. */
  address: string;
  namespace: string;
  /** Address of Temporal's web page, such as `http://localhost:8233`; null where it is not known. */
  uiUrl?: string | null;
  runId?: string | null;
  /** Who decides, for the lines to be copied. Default `you`. */
  by?: string;
  /** How the command line is called, already quoted for a shell. Default `vmferry`. */
  vmferry?: string;
  /** The program `temporal`, where it is not on the PATH. */
  temporal?: string;
}

export interface Ways {
  vmferry: string;
  /** An update: checked, and answered at once. */
  temporalUpdate: string;
  /** A signal: written to the audit trail, as ignored where it does not fit. */
  temporalSignal: string;
  /** For tctl 1.18, whose support has ended and which knows no updates. */
  tctl: string;
  /** The workflow's page, or null where the UI is not known. */
  ui: string | null;
}

const VERBS: Record<DecisionName, string> = {
  approveCutover: 'approve',
  rejectCutover: 'reject',
  scheduleCutover: 'schedule',
  syncNow: 'sync-now',
  rehearse: 'rehearse',
  pause: 'pause',
  resume: 'resume',
  setBandwidth: 'limit',
  forceStop: 'force-stop',
  acceptTarget: 'accept',
  undoCutover: 'undo',
  confirmSiteDown: 'confirm-down',
  abort: 'abort',
};

/** The verb of the command line for a decision: `approveCutover` -> `approve`. */
export function verbOf(decision: DecisionName): string {
  return VERBS[decision];
}

/** Every way to send one decision to a running migration, each as a line for a shell. */
export function waysTo(decision: DecisionName, workflowId: string, run: RunInfo): Ways {
  const input = examplePayload(decision, run.by);
  const server = ['--address', run.address, '--namespace', run.namespace];
  const temporal = (...verb: string[]): string =>
    quoteCommand(run.temporal ?? 'temporal', [
      'workflow',
      ...verb,
      ...server,
      '--workflow-id',
      workflowId,
      '--name',
      decision,
      '--input',
      input,
    ]);
  return {
    vmferry: `${run.vmferry ?? 'vmferry'} ${quoteCommand(VERBS[decision], [workflowId])}`,
    temporalUpdate: temporal('update', 'execute'),
    temporalSignal: temporal('signal'),
    // tctl takes the server's options before the command, and names with underscores.
    tctl: quoteCommand('tctl', [
      ...server,
      'workflow',
      'signal',
      '--workflow_id',
      workflowId,
      '--name',
      decision,
      '--input',
      input,
    ]),
    ui: run.uiUrl ? workflowUrl(run.uiUrl, run.namespace, workflowId, run.runId ?? null) : null,
  };
}

/** The workflow's page in Temporal's UI. */
export function workflowUrl(uiUrl: string, namespace: string, workflowId: string, runId: string | null): string {
  const parts = ['namespaces', namespace, 'workflows', workflowId, ...(runId ? [runId] : [])];
  return `${uiUrl.replace(/\/+$/, '')}/${parts.map(encodeURIComponent).join('/')}`;
}

/** The ways to approve a cutover (or to send another decision), as lines for people. */
export function waysToDecide(workflowId: string, run: RunInfo, decision: DecisionName = 'approveCutover'): string {
  const ways = waysTo(decision, workflowId, run);
  return [
    `Ways to ${VERBS[decision]}:`,
    `  vmferry     ${ways.vmferry}`,
    `  temporal    ${ways.temporalUpdate}`,
    `  or          ${ways.temporalSignal}`,
    `  tctl        ${ways.tctl}`,
    ...(ways.ui
      ? [
          `  browser     ${ways.ui}`,
          `              More Actions, Send an Update, ${decision}; data: ${examplePayload(decision, run.by)}`,
        ]
      : []),
  ].join('\n');
}
