/** FNV-1a, 64 bit (draft-eastlake-fnv): the workflow sandbox has no crypto, and an id only has to differ. */
const FNV_OFFSET = 0xcbf29ce484222325n;
const FNV_PRIME = 0x100000001b3n;
const MASK = 0xffffffffffffffffn;

/** 12 hex digits from namespace, workflow id and first run id; the same for every run of one migration. */
export function migrationIdOf(namespace: string, workflowId: string, firstRunId: string): string {
  let hash = FNV_OFFSET;
  for (const character of `${namespace}\0${workflowId}\0${firstRunId}`) {
    hash = ((hash ^ BigInt(character.codePointAt(0)!)) * FNV_PRIME) & MASK;
  }
  return ((hash >> 32n) ^ (hash & 0xffffffffffffn)).toString(16).padStart(12, '0').slice(-12);
}
