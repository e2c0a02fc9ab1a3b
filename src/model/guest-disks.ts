/** Disks of a guest that is off, as platforms give them to what looks into them and changes them. */

/** One for an appliance. Its format is said, never looked for in what it holds. `id` as in the description. */
export type ApplianceDisk = { id: string } & (
  | { path: string; format: 'raw' | 'qcow2' | 'vmdk' | 'vdi' | 'vpc' | 'vhdx' }
  /** What an NBD server on the same host exports on this unix socket, as it is. */
  | { nbdSocket: string; exportName?: string }
);

/** An overlay, which is written to. */
export interface GuestDisk {
  id: string;
  path: string;
  format: 'qcow2' | 'raw';
}
