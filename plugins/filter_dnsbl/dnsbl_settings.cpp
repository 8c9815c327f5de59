// SPDX-License-Identifier: Apache-2.0
#include "dnsbl_settings.hpp"

#include <algorithm>
#include <cctype>
#include <fstream>
#include <set>

#include "mail_names/mail_names.hpp"

namespace filter_dnsbl {

namespace {

constexpr size_t kLongestZone = 180;  // 64 octets of a reversed IPv6 address stand before it

std::string lower(std::string text) {
  std::transform(text.begin(), text.end(), text.begin(),
                 [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  return text;
}

// "": it is a zone.
std::string zone_problem(const std::string& zone) {
  if (zone.size() > kLongestZone) return "is longer than 180 octets";
  size_t label = 0;
  for (const char c : zone) {
    if (c == '.' && label > 0) {
      label = 0;
      continue;
    }
    const bool fits = (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-' || c == '_';
    if (!fits || ++label > 63) return "is no domain";
  }
  return label == 0 ? "is no domain" : "";
}

std::string normal_zone(std::string zone) {
  while (!zone.empty() && std::isspace(static_cast<unsigned char>(zone.back()))) zone.pop_back();
  if (!zone.empty() && zone.back() == '.') zone.pop_back();
  return lower(zone);
}

class Reader {
 public:
  Reader(const sdk::Config& config, const sdk::Report& report, bool read_files)
      : config_(config), report_(report), read_files_(read_files) {}

  Settings all() {
    const auto rows = config_.tables("lists");
    for (size_t i = 0; i < rows.size(); ++i) add_list(rows[i], "lists[" + std::to_string(i) + "].");
    std::set<std::string> names;
    for (size_t i = 0; i < settings_.lists.size(); ++i) {
      if (!names.insert(settings_.lists[i].name).second)
        error("lists[" + std::to_string(i) + "].name",
              "two lists are called \"" + settings_.lists[i].name + "\"");
    }
    if (rows.empty()) report_.warning("lists", "asks no list: add one");
    settings_.reject_at = config_.integer("reject_at");
    settings_.tempfail_at = config_.integer("tempfail_at");
    if (settings_.tempfail_at >= settings_.reject_at && settings_.reject_at > 0)
      error("tempfail_at", "is not below reject_at, so it has no effect");
    if (settings_.tempfail_at == 0 && settings_.reject_at == 0)
      report_.warning("reject_at", "nothing is refused: lists are annotated only");
    settings_.at_mail = config_.string("at") == "mail";
    settings_.skip_private = config_.boolean("skip_private");
    settings_.dry_run = config_.boolean("dry_run");
    settings_.tempfail_on_error = config_.string("on_error") == "tempfail";
    settings_.timeout = config_.duration("timeout");
    settings_.cache_size = config_.size("cache_size");
    for (const auto text : config_.list("exempt")) {
      std::string problem;
      if (auto network = lsmtpd::mail_names::parse_network(text, problem)) {
        settings_.exempt.push_back(*network);
      } else {
        error("exempt", problem);
      }
    }
    const std::string problem = settings_.reply.parse(config_.string("reply"));
    if (!problem.empty()) error("reply", problem);
    return std::move(settings_);
  }

 private:
  void error(const std::string& key, const std::string& message) {
    report_.error(key, message);
    settings_.is_right = false;
  }

  void add_list(const sdk::Config& row, const std::string& prefix) {
    List list;
    const bool by_file = row.is_set("zone_file");
    if (by_file == row.is_set("zone"))
      return error(prefix + "zone", "a list has either zone or zone_file");
    list.secret = by_file;
    list.name = row.string("name");
    if (list.name.empty() && by_file)
      return error(prefix + "name", "a list with zone_file needs a name for the log");
    list.zone = normal_zone(by_file ? read_zone(row.path("zone_file"), prefix)
                                    : std::string(row.string("zone")));
    const std::string problem = by_file && !read_files_ ? "" : zone_problem(list.zone);
    if (!problem.empty() && !unread_)
      error(prefix + (by_file ? "zone_file" : "zone"),
            by_file ? "its first line " + problem : problem);
    if (list.name.empty()) list.name = list.zone;
    const auto by = row.string("by");
    list.by = by == "helo" ? By::helo : by == "sender" ? By::sender : By::address;
    list.allow = row.string("kind") == "allow";
    list.weight = row.integer("weight");
    list.tested = row.boolean("test");
    for (const auto code : row.list("codes")) {
      const std::string wrong = list.codes.add(code);
      if (!wrong.empty()) error(prefix + "codes", wrong);
    }
    settings_.lists.push_back(std::move(list));
  }

  std::string read_zone(const std::string& path, const std::string& prefix) {
    unread_ = false;
    if (!read_files_) return {};
    std::ifstream file(path);
    std::string line;
    if (std::getline(file, line)) return line;
    unread_ = true;
    error(prefix + "zone_file", "cannot read " + path);
    return {};
  }

  const sdk::Config& config_;
  const sdk::Report& report_;
  const bool read_files_;
  bool unread_ = false;
  Settings settings_;
};

void replace_all(std::string& text, const std::string& what, const std::string& with) {
  if (what.empty()) return;
  for (size_t at = 0; (at = lower(text).find(what, at)) != std::string::npos; at += with.size())
    text.replace(at, what.size(), with);
}

}  // namespace

std::string List::hidden(std::string text) const {
  if (!secret) return text;
  replace_all(text, zone, name);
  replace_all(text, zone.substr(0, zone.find('.')), "***");  // the key alone
  return text;
}

Settings read_settings(const sdk::Config& config, const sdk::Report& report, bool read_files) {
  return Reader(config, report, read_files).all();
}

}  // namespace filter_dnsbl
