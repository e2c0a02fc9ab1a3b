/** The Temporal server that tests start: always one of their own. */
export async function findTemporal(): Promise<string> {
  return await Promise.resolve(process.env['TEMPORAL_CLI_PATH'] ?? 'temporal');
}
