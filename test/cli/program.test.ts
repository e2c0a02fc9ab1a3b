import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test from 'node:test';
import { fileURLToPath } from 'node:url';
import { vmferry } from './capture.js';

const VERBS = (
  'init doctor up worker inventory describe assess migrate wave replicate clone list status watch approve reject ' +
  'schedule sync-now rehearse pause resume limit force-stop accept undo confirm-down abort report verify replicas ' +
  'recover sweep'
).split(' ');

test('every verb is there, and its help ends with an example of itself', async () => {
  for (const verb of VERBS) {
    const { exit, out } = await vmferry([verb, '--help']);
    assert.equal(exit, 0, verb);
    assert.match(out, new RegExp(`\\nExample:\\n(?: {2}vmferry ${verb}\\b.*\\n)+$`), verb);
  }
  const { out } = await vmferry(['--help']);
  for (const verb of VERBS) assert.match(out, new RegExp(`^ {2}${verb} `, 'm'));
});

test('help says what the command line takes: no limit is "none", and what is printed as JSON says what of', async () => {
  const limit = await vmferry(['limit', '--help']);
  assert.match(limit.out, /lift the limit with "none"/);
  assert.doesNotMatch(limit.out, /null/);
  const unlimited = await vmferry(['limit', 'web01', 'none']);
  assert.match(unlimited.err, /cannot reach Temporal/);
  for (const verb of ['migrate', 'assess', 'watch']) {
    const { out } = await vmferry([verb, '--help']);
    assert.match(out, /--json +print .*(status|started|findings)/, verb);
  }
});

test('its version is that of the package', async () => {
  const { version } = JSON.parse(
    await readFile(fileURLToPath(new URL('../../../package.json', import.meta.url)), 'utf8'),
  ) as {
    version: string;
  };
  assert.deepEqual(await vmferry(['--version']), { exit: 0, out: `${version}\n`, err: '' });
});

test('wrong use is status 2, with the reason and without a stack', async () => {
  const wrong: [string[], RegExp][] = [
    [[], /Usage: vmferry/],
    [['fly'], /unknown command 'fly'/],
    [['approve'], /missing required argument 'migration'/],
    [['status', 'web01', '--colour'], /unknown option '--colour'/],
    [['schedule', 'web01'], /required option '--at <time>'/],
    [['schedule', 'web01', '--at', 'tonight'], /at: given "tonight", expected a time with an offset/],
    [['limit', 'web01', 'fast'], /rate: given "fast", expected a rate such as "200MiB\/s"/],
    [['confirm-down', 'web01', '--side', 'left'], /side: given "left"/],
    [['list', '--limit', 'x'], /expected a number from 1/],
    [['migrate', '--request', '/nowhere/request.json'], /cannot read the request in \/nowhere\/request.json/],
    [['recover', 'web01', '--source', '--target'], /'--source' cannot be used with option '--target'/],
    [['recover', 'web01', '--confirm-down', 'left'], /Allowed choices are source, target/],
    [['migrate', 'web01', '--network', 'prod'], /cannot read --network "prod": expected NAME=VALUE/],
  ];
  for (const [argv, reason] of wrong) {
    const { exit, out, err } = await vmferry(argv);
    assert.equal(exit, 2, argv.join(' '));
    assert.match(err, reason);
    assert.doesNotMatch(err, /^ +at .*\.js:\d+/m);
    assert.equal(out, '');
  }
});

test('an empty argument or option is wrong use for every verb, and an empty comment is none', async () => {
  const ofMigration = 'status watch approve reject sync-now rehearse pause resume force-stop accept undo abort report';
  const wrong: [string[], RegExp][] = [
    ...`${ofMigration} verify recover`
      .split(' ')
      .map((verb): [string[], RegExp] => [[verb, ''], /^error: argument '(migration|replica)' is empty$/m]),
    [['limit', 'web01', ' '], /argument 'rate' is empty/],
    [['inventory', ''], /argument 'site' is empty/],
    [['describe', 'dc-old', ''], /argument 'vm' is empty/],
    [['migrate', '', '--from', 'a', '--to', 'b'], /argument 'vm' is empty/],
    [['assess', 'web01', '--from', '', '--to', 'b'], /option '--from <site>' is empty/],
    [['schedule', 'web01', '--at', ''], /option '--at <time>' is empty/],
    [['sweep', '--migration', ''], /option '--migration <id>' is empty/],
    [['replicas', '--config', ''], /option '--config <file>' is empty/],
    [['worker', '--site', ''], /option '--site <site>' is empty/],
  ];
  for (const [argv, reason] of wrong) {
    const { exit, out, err } = await vmferry(argv);
    assert.equal(exit, 2, argv.join(' '));
    assert.match(err, reason);
    assert.equal(out, '');
  }
  assert.match((await vmferry(['pause', 'web01', '--comment', ''])).err, /cannot reach Temporal/);
});

test('a request with three wrong fields names all three', async () => {
  const { exit, err } = await vmferry([
    'migrate',
    '--from',
    'DC OLD',
    '--to',
    'dc-new',
    '--memory',
    'lots',
    '--set',
    'speed=9',
  ]);
  assert.equal(exit, 2);
  for (const field of ['vm: given nothing', 'source: given "DC OLD"', 'memory: given "lots"', 'speed: unknown field']) {
    assert.ok(err.includes(field), `${field} in ${err}`);
  }
});

test('what is missing in a request is named by its option, with the sites that there are', async (context) => {
  const folder = await mkdtemp(join(tmpdir(), 'vmferry-cli-'));
  context.after(() => rm(folder, { recursive: true }));
  const config = join(folder, 'vmferry.yaml');
  await writeFile(config, 'sites:\n  here: {platform: libvirt, uri: "qemu:///system"}\n');
  for (const verb of ['migrate', 'assess']) {
    const { exit, err } = await vmferry([verb, 'web01', '--set', 'speed=9', '--max-downtime', '5', '--config', config]);
    assert.equal(exit, 2);
    assert.match(err, /^ {2}source: given nothing, expected a site's name: .* \(--from\)$/m);
    assert.match(err, /^ {2}target: given nothing, expected a site's name: .* \(--to\)$/m);
    assert.match(err, /^ {2}cutover\.maxDowntime: given "5", expected a duration such as .* \(--max-downtime\)$/m);
    assert.match(err, /\n {2}Sites in .*vmferry\.yaml: here\. Every field is in docs\/requests\.md\.\n$/);
  }
  const alone = await vmferry(['migrate', '--from', 'a', '--to', 'b', '--network', 'x=']);
  assert.match(alone.err, /^ {2}vm: given nothing, expected a VM's name \(the first argument\)$/m);
  assert.match(alone.err, /^ {2}networks\.x: given "", expected a text of at least 1 character \(--network\)$/m);
  const limit = await vmferry(['limit', 'web01', 'fast']);
  assert.match(limit.err, /expected a rate such as "200MiB\/s" \("none" for no limit\)$/m);
});

test('what is not there yet is refused, whatever it is given', async () => {
  for (const argv of [['wave', 'plan.json', '--go'], ['replicate'], ['clone', 'web01']]) {
    const { exit, err } = await vmferry(argv);
    assert.equal(exit, 2, argv[0]);
    assert.match(err, /not supported yet/);
  }
});

test('without Temporal a verb says so at once and how to cure it, and ends with status 1', async () => {
  const main = fileURLToPath(new URL('../../src/cli/main.js', import.meta.url));
  const { code, stderr } = await new Promise<{ code: unknown; stderr: string }>((resolve) => {
    const env = { ...process.env, TEMPORAL_ADDRESS: '127.0.0.1:1' };
    execFile(process.execPath, [main, 'list'], { env, timeout: 20_000 }, (error, _, stderr) =>
      resolve({ code: error?.code, stderr }),
    );
  });
  assert.equal(code, 1);
  assert.match(stderr, /^cannot reach Temporal at 127\.0\.0\.1:1: connect ECONNREFUSED/);
  assert.match(stderr, /vmferry up/);
  assert.doesNotMatch(stderr, /\.js:\d+/);
});

test('sites that are not in vmferry.yaml are refused, naming those that are', async (context) => {
  const folder = await mkdtemp(join(tmpdir(), 'vmferry-cli-'));
  context.after(() => rm(folder, { recursive: true }));
  const config = join(folder, 'vmferry.yaml');
  await writeFile(config, 'sites:\n  here: {platform: libvirt, uri: "qemu:///system"}\n');
  const { exit, err } = await vmferry(['migrate', 'web01', '--from', 'here', '--to', 'there', '--config', config]);
  assert.equal(exit, 1);
  assert.match(err, /there is no site "there"\n {2}Sites in vmferry.yaml: here\./);
  const asked = await vmferry(['inventory', 'dc', '--config', config]);
  assert.equal(asked.exit, 1);
  assert.match(asked.err, /Sites in vmferry.yaml: here/);
});

test('a configuration that is missing, and a folder that is, are said as such', async (context) => {
  const folder = await mkdtemp(join(tmpdir(), 'vmferry-cli-'));
  context.after(() => rm(folder, { recursive: true }));
  const config = join(folder, 'none', 'vmferry.yaml');
  for (const argv of [['inventory', 'dc'], ['replicas'], ['sweep'], ['recover'], ['verify', 'x'], ['worker'], ['up']]) {
    const { exit, err } = await vmferry([...argv, '--config', config]);
    assert.equal(exit, 2, argv[0]);
    assert.match(
      err,
      /^cannot read .*vmferry\.yaml: there is no such file\n {2}Write one with `vmferry init`/,
      argv[0],
    );
  }
  const { exit, err } = await vmferry(['init', '--config', config]);
  assert.equal(exit, 1);
  assert.match(err, /^cannot write .*vmferry\.yaml: there is no such folder\n/);
  await writeFile(join(folder, 'odd.yaml'), 'sites: {}\n');
  const worker = await vmferry(['worker', '--config', join(folder, 'odd.yaml')]);
  assert.equal(worker.exit, 2);
  assert.match(worker.err, /names none\n {2}Add two under `sites:`/);
  await writeFile(join(folder, 'wrong.yaml'), 'sites:\n  a: {platform: libvirt, uri: 3}\nreports: 4\n');
  const doctor = await vmferry(['doctor', '--config', join(folder, 'wrong.yaml')]);
  assert.equal(doctor.exit, 1);
  assert.match(doctor.out, /sites\.a\.uri: given 3[\s\S]*reports: given 4/);
});

test('sites that cannot be reached are named, and the others are listed all the same', async (context) => {
  const folder = await mkdtemp(join(tmpdir(), 'vmferry-cli-'));
  context.after(() => rm(folder, { recursive: true }));
  const config = join(folder, 'vmferry.yaml');
  await writeFile(
    config,
    `sites:
  odd: {platform: libvirt, uri: "qemu+unix:///system?socket=${folder}/nowhere"}
  far: {platform: libvirt, uri: "qemu+ssh://root@127.0.0.1:1/system?keyfile=/etc/key"}
`,
  );
  for (const verb of ['replicas', 'sweep', 'recover']) {
    const { exit, err } = await vmferry([verb, '--config', config]);
    assert.equal(exit, 1, verb);
    assert.match(err, /^odd: \[libvirt\] cannot run virsh list on local: failed to connect to the hypervisor/m);
    assert.match(err, /^far: cannot reach root@127\.0\.0\.1 over ssh: [^]*Connection refused/m);
    assert.match(err, /Try `ssh -p 1 -i \/etc\/key root@127\.0\.0\.1 true`/);
  }
});

test('sweep refuses what is no migration, and says when a migration left nothing', async (context) => {
  const folder = await mkdtemp(join(tmpdir(), 'vmferry-cli-'));
  context.after(() => rm(folder, { recursive: true }));
  const config = join(folder, 'vmferry.yaml');
  await writeFile(config, 'sites: {}\n');
  for (const id of ['nope', 'migrate-dc-old-web01', '0123456789AB', '0123456789abc']) {
    const { exit, err } = await vmferry(['sweep', '--migration', id, '--config', config]);
    assert.equal(exit, 2, id);
    assert.match(
      err,
      /^cannot sweep migration ".*": an id is 12 hex digits, in small letters\n {2}`vmferry sweep` shows/,
    );
  }
  const none = await vmferry(['sweep', '--migration', '0123456789ab', '--config', config]);
  assert.equal(none.exit, 0, none.err);
  assert.match(none.out, /^Nothing of migration 0123456789ab was found at the sites; without --migration /);
  assert.equal((await vmferry(['sweep', '--config', config])).out, 'Nothing of vmferry was found at the sites.\n');
});

test('files and folders that cannot be used are said in words, with what to do', async (context) => {
  const folder = await mkdtemp(join(tmpdir(), 'vmferry-cli-'));
  context.after(() => rm(folder, { recursive: true }));
  const file = join(folder, 'file');
  await writeFile(file, '');
  const below = join(file, 'below');
  const [isFolder, notFolder] = [/it is a folder$/m, /what should be a folder on the way there is a file$/m];
  const cases: [string[], number, RegExp, RegExp][] = [
    [['migrate', '--request', join(folder, 'none.json')], 2, /there is no such file$/m, /Name a file with --request/],
    [['migrate', '--request', folder], 2, isFolder, /Name a file with --request/],
    [['migrate', '--request', below], 2, notFolder, /Name a file with --request/],
    [['migrate', '--request', file], 2, /it is no JSON: /, /It is one JSON object/],
    [['report', 'web01', '--out', file], 1, /there is a file of that name$/m, /Name another folder with --out/],
    [['report', 'web01', '--out', below], 1, notFolder, /Name another folder with --out/],
    [['sweep', '--config', folder], 2, isFolder, /vmferry init/],
    [['sweep', '--config', below], 2, notFolder, /vmferry init/],
    [['sweep', '--config', file], 2, /given null, expected an object$/m, /vmferry init --stdout/],
    [['init', '--force', '--config', folder], 1, isFolder, /Name another place with --config/],
    [['init', '--config', below], 1, notFolder, /Name another place with --config/],
  ];
  const config = join(folder, 'vmferry.yaml');
  await writeFile(config, 'sites:\n  here: {platform: libvirt, uri: "qemu:///system"}\n');
  for (const [db, why] of [
    [folder, isFolder],
    [below, /there is a file of that name$/m],
    [join(below, 'deep'), notFolder],
  ] as const)
    cases.push([['up', '--config', config, '--db', db], 1, why, /Name another file with --db/]);
  for (const [argv, status, why, remedy] of cases) {
    const { exit, out, err } = await vmferry(argv);
    assert.equal(exit, status, `${argv.join(' ')}: ${err}`);
    assert.match(err, why, argv.join(' '));
    assert.match(err, remedy, argv.join(' '));
    assert.doesNotMatch(err, /\bE[A-Z]+: |syscall/, argv.join(' '));
    assert.equal(out, '');
  }
});

test('init names the file that it wrote in what it advises', async (context) => {
  const folder = await mkdtemp(join(tmpdir(), 'vmferry cli-'));
  context.after(() => rm(folder, { recursive: true }));
  const config = join(folder, 'vmferry.yaml');
  const { out } = await vmferry(['init', '--config', config]);
  assert.ok(out.endsWith(`then try it with: vmferry doctor --config '${config}'\n`), out);
});

test('init writes a configuration once, and again only with --force', async (context) => {
  const folder = await mkdtemp(join(tmpdir(), 'vmferry-cli-'));
  context.after(() => rm(folder, { recursive: true }));
  const config = join(folder, 'vmferry.yaml');
  assert.equal((await vmferry(['init', '--config', config])).exit, 0);
  await writeFile(config, '# mine');
  const again = await vmferry(['init', '--config', config]);
  assert.equal(again.exit, 1);
  assert.match(again.err, /it is there already\n {2}--force replaces it/);
  assert.equal(await readFile(config, 'utf8'), '# mine');
  assert.equal((await vmferry(['init', '--config', config, '--force'])).exit, 0);
  assert.match(await readFile(config, 'utf8'), /^sites:$/m);
});
