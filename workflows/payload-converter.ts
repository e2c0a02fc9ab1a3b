import { defaultPayloadConverter, type PayloadConverter } from '@temporalio/common';

/**
 * Reads payloads for workflows. The SDK's own converter throws at one that it cannot read (text that is no JSON, an
 * unknown encoding), which fails the workflow's task again and again: one slip of a client would hold a migration up
 * for good. What people send becomes a text that says so, which every schema refuses with that text as what was given.
 * What activities return is ours, and stays strict. Named in src/bundle.ts; exported as the bundler wants it.
 */
export const payloadConverter: PayloadConverter = {
  toPayload: (value, context, hint) => defaultPayloadConverter.toPayload(value, context, hint),
  fromPayload<T>(...given: Parameters<PayloadConverter['fromPayload']>): T {
    const [payload, context] = given;
    if (context?.type !== 'workflow') return defaultPayloadConverter.fromPayload<T>(...(given as [typeof payload]));
    try {
      const value = defaultPayloadConverter.fromPayload<unknown>(payload, context);
      return (value instanceof Uint8Array ? unreadable('bytes') : value) as T;
    } catch (error) {
      return unreadable(error instanceof Error ? error.message : String(error)) as T;
    }
  },
};

function unreadable(why: string): string {
  return `(a payload that is no JSON: ${why.slice(0, 60)})`;
}
