/** What a platform can do, as it declares it. */
export interface Abilities {
  source: boolean;
  target: boolean;
  /** As a target, runs the VMs that come; else they are written as files, and nothing is rehearsed, started or probed. */
  boots: boolean;
  changeTracking: boolean;
  quiesce: boolean;
  guestAgent: boolean;
  isolatedBoot: boolean;
}
