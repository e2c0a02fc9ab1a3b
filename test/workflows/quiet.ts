import { DefaultLogger, Runtime } from '@temporalio/worker';

// Temporal's workers in tests say what went wrong, and not each state that they pass.
Runtime.install({
  logger: new DefaultLogger('ERROR'),
  telemetryOptions: { logging: { filter: { core: 'ERROR', other: 'ERROR' } } },
});
