export { assessFleet } from './assess-fleet.js';
export { migrateVm } from './migrate-vm.js';
export { refuseUnknown as default } from './unknown.js';
