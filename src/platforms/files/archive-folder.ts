import { VmferryError } from '../../errors.js';
import { MOST_MANIFEST_BYTES, parseManifest } from './manifest.js';
import { namesUnder, type Folder, type Member } from './member.js';
import { slice } from './random-access.js';
import { readTarIndex, type TarMember } from './tar.js';
import { textOf } from './text.js';

/** The members of a tar archive (an OVA), each read where it lies in it. Closing it closes the archive. */
export async function openArchive(archive: Member, signal?: AbortSignal): Promise<Folder> {
  const proven = (found: readonly TarMember[]) => namedByManifest(archive, found, signal);
  const members = new Map((await readTarIndex(archive, signal, proven)).map((each) => [each.name, each]));
  const place = archive.location;
  return {
    name: archive.name,
    list: () => Promise.resolve([...members.keys()]),
    names: (under) => Promise.resolve(namesUnder([...members.keys()], under)),
    open: (name) => {
      const found = members.get(name);
      if (!found) return Promise.resolve(null);
      const { offsetBytes, sizeBytes } = found;
      const part: Member = {
        ...slice(archive, offsetBytes, sizeBytes, `${archive.name}/${name}`),
        location: place && { path: place.path, offsetBytes: place.offsetBytes + offsetBytes, sizeBytes },
        stamp: `${archive.stamp} ${offsetBytes} ${sizeBytes}`,
        close: () => Promise.resolve(),
      };
      return Promise.resolve(part);
    },
    close: () => archive.close(),
  };
}

/** Whether a manifest in the archive names all its other files and no more, so that none is missing at its end. */
async function namedByManifest(archive: Member, members: readonly TarMember[], signal?: AbortSignal): Promise<boolean> {
  const manifest = members.find(({ name }) => /^[^/]+\.mf$/i.test(name));
  if (!manifest || manifest.sizeBytes > MOST_MANIFEST_BYTES) return false;
  const text = textOf(await archive.read(manifest.offsetBytes, manifest.sizeBytes, signal));
  const there = members.map(({ name }) => name).filter((name) => !/\.(mf|cert)$/i.test(name));
  try {
    const named = new Set(parseManifest(text, manifest.name).map(({ file }) => file));
    return named.size > 0 && named.size === there.length && there.every((name) => named.has(name));
  } catch (error) {
    if (error instanceof VmferryError) return false;
    throw error;
  }
}
