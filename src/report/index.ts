export { buildReport } from './build.js';
export type { Pictures } from './evidence.js';
export { renderHtml } from './html.js';
export { writeReport, type WrittenReport } from './write.js';
