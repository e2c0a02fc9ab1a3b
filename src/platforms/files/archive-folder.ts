import type { Folder, Member } from './member.js';
import { slice } from './random-access.js';
import { readTarIndex } from './tar.js';

/** The members of a tar archive (an OVA), each read where it lies in it. Closing it closes the archive. */
export async function openArchive(archive: Member, signal?: AbortSignal): Promise<Folder> {
  const members = new Map((await readTarIndex(archive, signal)).map((each) => [each.name, each]));
  const place = archive.location;
  return {
    name: archive.name,
    list: () => Promise.resolve([...members.keys()]),
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
