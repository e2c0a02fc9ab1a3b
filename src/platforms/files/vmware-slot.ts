/**
 * The PCI slot number that a guest sees, from the one in a .vmx (`ethernet0.pciSlotNumber`) or an OVF of VMware's
 * (`slotInfo.pciSlotNumber`): three bits for a function of a bridge, five for the bridge, five for the device (Broadcom,
 * article 311606, "Mapping PCI slot numbers to guest-visible PCI bus topology"). Firmware numbers the slots behind a
 * bridge's further functions on: 1184 is slot 161, so that the card there is `ens161`. Nothing for one that has none yet.
 */
export function vmwareSlot(text: string): { slot?: number } {
  const number = /^\d{1,4}$/.test(text) ? Number(text) : 0;
  return number > 0 && number < 2 ** 13 ? { slot: (number & 0x3ff) + (number >> 10) } : {};
}
