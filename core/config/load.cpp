// SPDX-License-Identifier: Apache-2.0
#include <sys/stat.h>

#include <cerrno>
#include <cstring>
#include <fstream>

#include "base/text.hpp"
#include "config/host.hpp"
#include "config/sections.hpp"
#include "config/substitute.hpp"
#include "config/validate.hpp"

namespace lsmtpd::config {
namespace {

constexpr uint64_t kLargestFile = 1u << 20;

class Loader {
 public:
  Loader(const Table& root, std::string file, Diagnostics& diagnostics)
      : diagnostics_(diagnostics), root_(root, "", "", diagnostics) {
    config_.file = std::move(file);
  }

  Config run() &&;

 private:
  template <class Struct>
  void section(Section section, Struct& target);
  template <class Read>
  void named_sections(const std::string& kind, Read read);
  template <class Read>
  void tables_of(Reader& reader, const std::string& key, const std::string& header, Read read);
  void listener(const Table& table, Position position);
  void plugin(Reader& reader, const Entry& entry);
  void chain(Reader& reader, const Entry& entry);
  void route(const Table& table, Position position, Chain& chain);

  Config config_;
  Diagnostics& diagnostics_;
  Reader root_;
};

Config Loader::run() && {
  section(Section::server, config_.server);
  section(Section::tls, config_.tls);
  tables_of(root_, "listener", "[[listener]]",
            [&](const Table& table, Position position) { listener(table, position); });
  section(Section::limits, config_.limits);
  section(Section::timeouts, config_.timeouts);
  section(Section::log, config_.log);
  section(Section::admin, config_.admin);
  named_sections("plugin", [&](Reader& reader, const Entry& entry) { plugin(reader, entry); });
  named_sections("chain", [&](Reader& reader, const Entry& entry) { chain(reader, entry); });
  root_.finish();
  for (Listener& one : config_.listeners) {
    if (!one.given.has("tls")) one.tls = config_.default_tls();
    if (!one.given.has("client_certificate"))
      one.client_certificate = config_.tls.client_certificate;
  }
  if (config_.server.hostname.empty()) config_.server.hostname = machine_name();
  return std::move(config_);
}

template <class Struct>
void Loader::section(Section section, Struct& target) {
  const std::string path(info(section).name);
  const Table* table = root_.table(path);
  if (!table) return;
  Reader reader(*table, path, std::string(info(section).header), diagnostics_);
  read_section(reader, section, &target, target.given);
  reader.finish();
}

// [plugin.NAME] and [chain.NAME]: a table of tables.
template <class Read>
void Loader::named_sections(const std::string& kind, Read read) {
  const Table* all = root_.table(kind);
  if (!all) return;
  for (const Entry& entry : all->entries) {
    const std::string path = fmt::format("{}.{}", kind, escape_for_log(entry.key));
    const auto* table = std::get_if<Table>(&entry.node.value);
    if (!table) {
      add_error(diagnostics_, entry.key_position,
                fmt::format("{} must be a table, not {}", path, type_name(entry.node)),
                fmt::format("write it below [{}.NAME]", kind));
      continue;
    }
    if (!is_name(entry.key)) {
      add_error(
          diagnostics_, entry.key_position,
          fmt::format("\"{}\" cannot be the name of a {}: use up to 64 letters, digits, - and _",
                      escape_for_log(entry.key), kind));
    }
    Reader reader(*table, path, fmt::format("[{}]", path), diagnostics_);
    read(reader, entry);
    reader.finish();
  }
}

// A name that is not allowed is an error by now. Escaped, it does not harm the lines of later
// checks.
void Loader::plugin(Reader& reader, const Entry& entry) {
  Plugin& plugin = config_.plugins.emplace_back();
  plugin.name = escape_for_log(entry.key);
  plugin.position = entry.key_position;
  read_plugin(reader, plugin, diagnostics_);
}

void Loader::chain(Reader& reader, const Entry& entry) {
  Chain& chain = config_.chains.emplace_back();
  chain.name = escape_for_log(entry.key);
  chain.position = entry.key_position;
  read_section(reader, Section::chain, &chain, chain.given, chain.position);
  tables_of(reader, "route", fmt::format("[[chain.{}.route]]", chain.name),
            [&](const Table& table, Position position) { route(table, position, chain); });
}

void Loader::route(const Table& table, Position position, Chain& chain) {
  Route& route = chain.routes.emplace_back();
  route.name = fmt::format("route-{}", chain.routes.size());
  route.position = position;
  Reader reader(table, fmt::format("chain.{}.route", chain.name),
                fmt::format("[[chain.{}.route]]", chain.name), diagnostics_);
  read_section(reader, Section::route, &route, route.given, position);
  reader.finish();
}

// [[KEY]]: a list of tables. `header` is how a person writes it.
template <class Read>
void Loader::tables_of(Reader& reader, const std::string& key, const std::string& header,
                       Read read) {
  const Node* node = reader.take(key);
  if (!node) return;
  const auto* list = std::get_if<Node::List>(&node->value);
  if (!list) {
    reader.error(*node, key, fmt::format("must be a list of tables, not {}", type_name(*node)),
                 "write " + header);
    if (const auto* table = std::get_if<Table>(&node->value)) read(*table, node->position);
    return;
  }
  for (const Node& item : *list) {
    if (const auto* table = std::get_if<Table>(&item.value)) {
      read(*table, item.position);
    } else {
      reader.error(item, key, fmt::format("must be a list of tables, not of {}", type_name(item)),
                   "write " + header);
    }
  }
}

void Loader::listener(const Table& table, Position position) {
  Reader reader(table, "listener", "[[listener]]", diagnostics_);
  Listener& listener = config_.listeners.emplace_back();
  listener.name = fmt::format("listener-{}", config_.listeners.size());
  listener.position = position;
  read_section(reader, Section::listener, &listener, listener.given, position);
  reader.finish();
}

Loaded failed(const std::string& file, Diagnostic diagnostic) {
  Loaded loaded;
  loaded.config.file = file;
  loaded.diagnostics.push_back(std::move(diagnostic));
  return loaded;
}

Result<std::string> read_file(const std::string& path) {
  struct stat status = {};
  if (stat(path.c_str(), &status) != 0) return fail("cannot open: {}", std::strerror(errno));
  if (S_ISDIR(status.st_mode)) return fail("is a directory");
  std::ifstream file(path, std::ios::binary);
  if (!file) return fail("cannot open: {}", std::strerror(errno));
  std::string text(kLargestFile + 1, '\0');
  file.read(text.data(), static_cast<std::streamsize>(text.size()));
  text.resize(static_cast<size_t>(file.gcount()));
  if (file.bad()) return fail("cannot read: {}", std::strerror(errno));
  if (text.size() > kLargestFile) return fail("is larger than {}", format_size(kLargestFile));
  return text;
}

}  // namespace

Loaded load_text(const std::string& text, const std::string& file_name) {
  Document document = parse_toml(text);
  if (document.error) return failed(file_name, std::move(*document.error));
  Loaded loaded;
  substitute(document.root, loaded.diagnostics);
  loaded.config = Loader(document.root, file_name, loaded.diagnostics).run();
  check(loaded.config, loaded.diagnostics);
  sort_by_position(loaded.diagnostics);
  return loaded;
}

Loaded load_file(const std::string& path) {
  Result<std::string> text = read_file(path);
  if (!text) return failed(path, {false, {}, text.error().message, ""});
  return load_text(*text, path);
}

}  // namespace lsmtpd::config
