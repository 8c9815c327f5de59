# SPDX-License-Identifier: Apache-2.0
"""Writes the few shapes of TOML that a configuration needs."""
import json


def _value(value):
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, (int, float)):
        return repr(value)
    if isinstance(value, dict):
        return "{ " + ", ".join(f"{_key(k)} = {_value(v)}" for k, v in value.items()) + " }"
    if isinstance(value, (list, tuple)):
        return "[" + ", ".join(map(_value, value)) + "]"
    return json.dumps(str(value))


def _key(key):
    return key if key.replace("_", "").replace("-", "").isalnum() else json.dumps(key)


def dumps(config):
    """{"server": {...}, "listener": [{...}], "plugin": {"name": {...}}} as TOML text."""
    lines = []
    for section, content in config.items():
        if isinstance(content, list):
            for table in content:
                lines += ["", f"[[{section}]]"] + [f"{_key(k)} = {_value(v)}"
                                                   for k, v in table.items()]
        elif content and all(isinstance(each, dict) for each in content.values()):
            for name, table in content.items():
                lines += ["", f"[{section}.{_key(name)}]"] + [f"{_key(k)} = {_value(v)}"
                                                              for k, v in table.items()]
        else:
            lines += ["", f"[{section}]"] + [f"{_key(k)} = {_value(v)}"
                                             for k, v in content.items()]
    return "\n".join(lines).lstrip() + "\n"
