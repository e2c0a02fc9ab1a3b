/** What a platform can do, as it declares it. */
export interface Abilities {
  source: boolean;
  target: boolean;
  changeTracking: boolean;
  quiesce: boolean;
  guestAgent: boolean;
  isolatedBoot: boolean;
}
