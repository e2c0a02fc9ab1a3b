import { startLab } from '../../lab/lab.js';

/** A process that holds a lab until it is killed: prints one line of JSON when the lab is up. */
const lab = await startLab();
const hosts = [lab.old, lab.new].map(({ pid, link }) => ({ pid, interface: link.interface }));
console.log(JSON.stringify({ directory: lab.directory, hosts }));
setInterval(() => undefined, 60_000);
