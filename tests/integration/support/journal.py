# SPDX-License-Identifier: Apache-2.0
"""Reads the journal of output_json_spool from docs/spool-format.md alone, without any of its code."""
import json
import pathlib
import struct

BLOCK, ALIGN = 4096, 8
RECORD = struct.Struct("<4sIQIIIBBHIIQqII")
REMOVAL = struct.Struct("<QII")
DEAD, IN_DOUBT, APART = 1, 2, 4
MESSAGE, REMOVALS = 1, 2


def _crc_table():
    table = []
    for byte in range(256):
        for _ in range(8):
            byte = byte >> 1 ^ (0x82F63B78 if byte & 1 else 0)
        table.append(byte)
    return table


_TABLE = _crc_table()


def crc32c(data):
    value = 0xFFFFFFFF
    for byte in data:
        value = value >> 8 ^ _TABLE[(value ^ byte) & 0xFF]
    return value ^ 0xFFFFFFFF


def is_whole(record):
    _, fields, payload = record
    return crc32c(payload) == fields[13]


class Record:
    """One message: its id, its envelope as in docs/json.md, its exact content, which is read when it is asked for."""

    def __init__(self, key, identity, meta, read, dead, in_doubt, time_ns):
        self.key, self.id, self.read, self.dead = key, identity, read, dead
        self.in_doubt, self.time_ns = in_doubt, time_ns
        self.json = json.loads(meta.decode("utf-8"))

    @property
    def content(self):
        return self.read()


class Segment:
    def __init__(self, path):
        self.path, self.bytes = path, path.read_bytes()
        self.sequence, self.salt, self.size = 0, 0, 0
        copies = [copy for copy in map(self._header, (0, 512)) if copy]
        if copies and all(sequence for sequence, _, _ in copies):
            self.sequence, self.salt, self.size = copies[0]

    def _header(self, at):
        copy = self.bytes[at:at + 64]
        if copy[:8] != b"LSMTPDJS" or struct.unpack_from("<I", copy, 60)[0] != crc32c(copy[:60]):
            return None
        version, size, sequence, salt = struct.unpack_from("<IIQQ", copy, 8)
        assert version == 1, f"version {version}"
        return sequence, salt, size

    def _record_at(self, at):
        header = self.bytes[at:at + RECORD.size]
        if len(header) < RECORD.size or header[:4] != b"LJRC":
            return None
        fields = RECORD.unpack(header)
        if fields[2] != self.salt or fields[3] != at or fields[1] != crc32c(header[8:]):
            return None
        return fields

    def records(self):
        """(position, fields, payload) of each whole record, in order."""
        at = BLOCK
        while at + RECORD.size <= len(self.bytes):
            at = self.bytes.find(b"LJRC", at)
            if at < 0:
                return
            fields = self._record_at(at) if at % ALIGN == 0 else None
            if fields is None:
                at += 1
                continue
            start, size, group_end = at + RECORD.size, fields[14], fields[4]
            yield at, fields, self.bytes[start:start + size]
            at = -(-(start + size) // ALIGN) * ALIGN
            if at >= group_end:
                at = -(-at // BLOCK) * BLOCK


class Journal:
    def __init__(self, folder):
        self.folder = pathlib.Path(folder)

    def segments(self):
        found = []
        for path in sorted(self.folder.glob("*.segment")):
            try:
                found.append(Segment(path))
            except FileNotFoundError:  # a daemon removed it meanwhile: nothing in it counted
                pass
        return sorted((each for each in found if each.sequence), key=lambda each: each.sequence)

    def messages(self):
        """The messages that live, the last of each id."""
        removed, sealed, found = set(), {}, []
        for segment in reversed(self.segments()):
            end = sealed.get(segment.sequence, len(segment.bytes))
            whole = [each for each in segment.records() if each[0] < end and is_whole(each)]
            for _, fields, payload in whole:
                if fields[6] != REMOVALS:
                    continue
                for sequence, position, kind in REMOVAL.iter_unpack(payload):
                    if kind == 1:
                        sealed[sequence] = min(position, sealed.get(sequence, position))
                    else:
                        removed.add((sequence, position))
            end = sealed.get(segment.sequence, end)
            found += [(segment.sequence, *each) for each in reversed(whole)
                      if each[1][6] == MESSAGE and each[0] < end]
        latest = {}
        for sequence, position, fields, payload in found:
            if (sequence, position) not in removed:
                record = self._message((sequence, position), fields, payload)
                latest.setdefault(record.id, record)
        return sorted(latest.values(), key=lambda each: each.key)

    def _message(self, key, fields, payload):
        flags, id_size, meta_size, body_crc, content_size, time_ns = fields[7:13]
        identity = payload[:id_size].decode("ascii")
        meta, rest = payload[id_size:id_size + meta_size], payload[id_size + meta_size:]
        body = self.folder / f"{struct.unpack('<Q', rest)[0]:016x}.body" if flags & APART else None

        def read():
            content = body.read_bytes() if body else rest
            assert len(content) == content_size and (not body or crc32c(content) == body_crc)
            return content

        return Record(key, identity, meta, read, bool(flags & DEAD), bool(flags & IN_DOUBT), time_ns)

    def places(self):
        """Of the messages that count. Its records are taken to be whole, which costs less to find out."""
        removed, found = set(), set()
        for segment in self.segments():
            for position, fields, payload in segment.records():
                if fields[6] == REMOVALS:
                    removed.update((sequence, place) for sequence, place, _ in REMOVAL.iter_unpack(payload))
                else:
                    found.add((segment.sequence, position))
        return found - removed

    def waiting(self):
        return [each for each in self.messages() if not each.dead]

    def dead(self):
        return [each for each in self.messages() if each.dead]

    def contents(self):
        return (each.content for each in self.waiting())
