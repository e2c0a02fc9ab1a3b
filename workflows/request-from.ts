import { ApplicationFailure, workflowInfo } from '@temporalio/workflow';
import type { z } from 'zod';
import { VmferryError } from '../src/errors.js';
import { parseRequest } from '../src/request/parse.js';

/** The request of a workflow with its defaults. @throws ApplicationFailure `InvalidRequest`, with a line for each wrong field. */
export function requestFrom<S extends z.ZodType>(schema: S, input: unknown, workflow: string): z.output<S> {
  try {
    return parseRequest(schema, input, `the request of ${workflow} in ${workflowInfo().workflowId}`);
  } catch (error) {
    const { code, message } = error instanceof VmferryError ? error : { code: 'Internal', message: String(error) };
    throw ApplicationFailure.nonRetryable(message, code);
  }
}
