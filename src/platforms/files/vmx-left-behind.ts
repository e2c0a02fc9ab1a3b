import type { Finding } from '../../model/finding.js';
import { devicesLeft, settingsLeft } from './foreign-findings.js';
import { isTuning } from './vmware-tuning.js';
import { isPrinter } from './vmx-devices.js';
import type { VmxDictionary } from './vmx-dictionary.js';

/**
 * Settings of a .vmx that the description does not hold. What is not on one of the lists is named, so that a setting
 * that nobody here has heard of is a finding and never a silent loss.
 */

/** Keys that are read, that have a finding of their own, or that are about VMware and its windows only. */
const UNDERSTOOD: readonly RegExp[] = [
  // The file itself, and names of other files beside it.
  /^(\.encoding|config\.version|virtualhw\..*|extendedconfigfile|nvram|vmxstats\..*|workingdir|log\..*|logging)$/,
  /^(displayname|guestos|guestos\..*|guestinfo\.detailed\.data|uuid\..*|vc\.uuid|vm\.genidx?|viv\.moid|vmid|machine\.id)$/,
  /^(encryption\..*|encryptedvm\..*|vmx\.encryptiontype|managedvm\..*|vtpm\..*|firmware|uefi\..*|svga\.present)$/,
  /^(memsize|numvcpus|cpuid\.corespersocket(\..*)?|cpuid\.numsmt|rtc\.difffromutc|bios\.(bootorder|hddorder))$/,
  /^(checkpoint\..*|snapshot\..*|migrate\..*|migratehostlog|migration\..*|vmotion\..*|cleanshutdown|softpoweroff)$/,
  // Where a device sits (of a network card, it is in the description), and the bridges in front of it.
  /\.(pcislotnumber|present|saswwid|clientdevice|allowguestconnectioncontrol|startconnected|autodetect)$/,
  /^pcibridge\d+\..*$/,
  /^(scsi|sata|nvme|ide)\d+\.(virtualdev|sharedbus)$/,
  /^(scsi|sata|nvme|ide)\d+:\d+\.(filename|devicetype|mode|redo|sharing|shared|sharedbus|exclusive|ctkenabled)$/,
  /^ethernet\d+\.(virtualdev|networkname|connectiontype|vnet|addresstype|address|generatedaddress(offset)?)$/,
  /^ethernet\d+\.(wakeonpcktrcv|linkstatepropagation\..*|displayname|bsdname|features|uptcompatibility|dvs\..*)$/,
  /^ethernet\d+\.(pvnid|checkmacaddress|externalid|opaquenetwork\..*)$/,
  /^(floppy|serial|parallel|sound|usb|ehci|usb_xhci|pcipassthru|sharedfolder)\d*(:\d+)?\..*$/,
  // Comfort of VMware's own tools and windows.
  /^(tools(installmanager|cripts)?\..*|hgfs\..*|isolation\..*|unity\..*|gui\..*|vmrun\..*|vmware\..*|msg\..*|hints\..*)$/,
  /^(powertype\..*|priority\..*|autostart.*|deploymentplatform|virtualhw\..*|remotedisplay\..*|policy\..*|sharedfolder\..*)$/,
  /^(monitor\..*|mainmem\..*|memtrimrate|prefvmx\..*|replay\..*|ctkenabled|vmci\d+\.(id|unrestricted)|svga\..*)$/,
  /^(sched\.swap\..*|numa\.autosize\..*|debugstub\..*|ulm\..*|floppy\..*|toolsinstallmanager\..*|keyboardandmouseprofile)$/,
];

/** Keys of the lists above that mean something all the same, when they are not as they are by themselves. */
const MEANT: readonly RegExp[] = [
  /^(scsi|sata|nvme|ide)\d+:\d+\.(writethrough|throughputcap|shares)$/,
  /^(sched|numa|cpuid|vhv|mks|disk)\..*$/,
  /^(tools\.synctime|svga\.numdisplays|monitor_control\..*|monitor\.virtual_.*)$/,
  /^(annotation|memallowautoscaledown|devices\.hotplug)$/,
  /^remotedisplay\.vnc\.enabled$/,
];
const UNCHANGED = new Set(['false', '0', '-1', 'off', 'normal', 'all', 'unlimited', 'mhz', 'pages', 'default']);

/** Devices that every VM of VMware has, and that a target makes anew as it needs them. */
const OWN_DEVICES =
  /^(scsi|sata|nvme|ide|ethernet|pcibridge|pcipassthru|floppy|serial|sharedfolder)\d+$|^(scsi|sata|nvme|ide)\d+:\d+$|^(usb|usb_xhci|ehci|sound|svga|vtpm|vmci\d+|hpet\d+|battery|acpi)$/;

/** What is on the virtual USB bus by itself. */
const OWN_USB = new Set(['', 'hid', 'hub', 'mouse', 'keyboard', 'tablet']);

export function leftBehind(vmx: VmxDictionary): Finding[] {
  return [...devicesLeft(devices(vmx)), ...settingsLeft(settings(vmx))];
}

/** Names before `.present`, where that is not FALSE. */
function devices(vmx: VmxDictionary): string[] {
  return vmx.keys().flatMap((key) => {
    const name = /^(.+)\.present$/i.exec(key)?.[1];
    if (name === undefined || ['', 'false', '0'].includes(vmx.raw(key).toLowerCase())) return [];
    if (/^usb(_xhci)?:\d+$/i.test(name)) {
      const type = vmx.raw(`${name}.deviceType`).toLowerCase();
      return OWN_USB.has(type) ? [] : [`${name} (${type})`];
    }
    if (/^serial\d+$/i.test(name) && isPrinter(vmx, name)) return [`${name} (printer)`];
    return OWN_DEVICES.test(name.toLowerCase()) ? [] : [name];
  });
}

function settings(vmx: VmxDictionary): string[] {
  return vmx.keys().filter((key) => {
    const name = key.toLowerCase();
    const value = vmx.raw(key).toLowerCase();
    if (value === '' || isTuning(name)) return false;
    if (/^sched\.swap\.|^numa\.autosize\.|^cpuid\.(corespersocket|numsmt)/.test(name)) return false;
    if (MEANT.some((pattern) => pattern.test(name))) return !UNCHANGED.has(value);
    return !UNDERSTOOD.some((pattern) => pattern.test(name));
  });
}
