import type { temporal } from '@temporalio/proto';
import proto from '@temporalio/proto';
import { VmferryError } from './errors.js';

/** What migrations can be found by in Temporal's lists; all keywords. */
export const SEARCH_ATTRIBUTES = [
  'VmferryPhase',
  'VmferryVm',
  'VmferrySource',
  'VmferryTarget',
  'VmferryWave',
] as const;

type Operator = Pick<temporal.api.operatorservice.v1.OperatorService, 'listSearchAttributes' | 'addSearchAttributes'>;

const { INDEXED_VALUE_TYPE_KEYWORD } = proto.temporal.api.enums.v1.IndexedValueType;

/** Names that are not registered in the namespace. */
export async function missingSearchAttributes(operator: Operator, namespace: string): Promise<string[]> {
  const { customAttributes } = await operator.listSearchAttributes({ namespace });
  return SEARCH_ATTRIBUTES.filter((name) => !(name in (customAttributes ?? {})));
}

/**
 * Registers those that are missing; several workers may do so at once.
 * @throws VmferryError `Denied` with the command that an administrator can run instead (Temporal Cloud allows it only there).
 */
export async function registerSearchAttributes(operator: Operator, namespace: string): Promise<void> {
  const missing = await missingSearchAttributes(operator, namespace);
  if (missing.length === 0) return;
  try {
    await operator.addSearchAttributes({
      namespace,
      searchAttributes: Object.fromEntries(missing.map((name) => [name, INDEXED_VALUE_TYPE_KEYWORD])),
    });
  } catch (cause) {
    if ((await missingSearchAttributes(operator, namespace)).length === 0) return;
    throw new VmferryError('Denied', `cannot register the search attributes ${missing.join(', ')}: ${String(cause)}`, {
      remedy: `Have them registered: temporal operator search-attribute create --namespace ${namespace} ${missing.map((name) => `--name ${name} --type Keyword`).join(' ')}`,
      cause,
    });
  }
}
