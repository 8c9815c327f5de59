// SPDX-License-Identifier: Apache-2.0
// `lsmtpd ctl status` for a person.
#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <utility>

#include "admin/json.hpp"
#include "app/ctl.hpp"
#include "base/text.hpp"

namespace lsmtpd::app {

namespace {

const cJSON* item(const cJSON* object, const char* key) {
  return cJSON_GetObjectItemCaseSensitive(object, key);
}
std::string text(const cJSON* object, const char* key) {
  const cJSON* found = item(object, key);
  return cJSON_IsString(found) ? escape_sentence(found->valuestring) : "";
}
double number(const cJSON* object, const char* key) {
  const cJSON* found = item(object, key);
  return cJSON_IsNumber(found) ? found->valuedouble : 0;
}
bool is_true(const cJSON* object, const char* key) {
  return cJSON_IsTrue(item(object, key));
}

std::string age(double seconds) {
  const auto whole = static_cast<uint64_t>(std::max(0.0, seconds));
  if (whole < 120) return fmt::format("{} s", whole);
  if (whole < 7200) return fmt::format("{} min", whole / 60);
  if (whole < 172'800) return fmt::format("{} h", whole / 3600);
  return fmt::format("{} days", whole / 86'400);
}

class Text {
 public:
  template <class... Args>
  void line(fmt::format_string<Args...> format, Args&&... args) {
    out += fmt::format(format, std::forward<Args>(args)...);
    out.erase(out.find_last_not_of(' ') + 1);
    out += '\n';
  }
  std::string out;
};

void add_head(Text& out, const cJSON* status) {
  const std::string phase = text(status, "phase");
  out.line("lsmtpd {} on {}: {}{}, pid {}, up {}", text(status, "version"),
           text(status, "hostname"), phase,
           phase != "serving"         ? ""
           : is_true(status, "ready") ? " and ready"
                                      : " but not ready",
           number(status, "pid"), age(number(status, "time") - number(status, "started")));
  const cJSON* each = nullptr;
  cJSON_ArrayForEach(each, item(status, "reasons")) {
    if (cJSON_IsString(each)) out.line("  not ready: {}", escape_sentence(each->valuestring));
  }
}

void add_outputs(Text& out, const cJSON* status) {
  const double now = number(status, "time");
  out.line("");
  out.line("{:<20} {:<6} {:>8} {:>9} {:>8}  {}", "OUTPUT", "STATE", "FOR", "UNSETTLED", "WAITING",
           "REASON");
  const cJSON* each = nullptr;
  cJSON_ArrayForEach(each, item(status, "outputs")) {
    out.line("{:<20} {:<6} {:>8} {:>9} {:>8}  {}", text(each, "name"),
             is_true(each, "held")    ? "held"
             : is_true(each, "ready") ? "ready"
                                      : "down",
             age(now - number(each, "since")), number(each, "unsettled"), number(each, "waiting"),
             text(each, "reason"));
  }
}

// Of outputs to brokers: how many workers are connected to each.
void add_broker_connections(Text& out, const cJSON* status) {
  bool any = false;
  const cJSON* output = nullptr;
  cJSON_ArrayForEach(output, item(status, "outputs")) {
    const cJSON* url = nullptr;
    cJSON_ArrayForEach(url, item(output, "connections")) {
      if (!std::exchange(any, true)) {
        out.line("");
        out.line("{:<20} {:>11}  {}", "OUTPUT", "CONNECTIONS", "URL");
      }
      out.line("{:<20} {:>11}  {}", text(output, "name"), url->valuedouble,
               escape_sentence(url->string));
    }
  }
}

void add_spools(Text& out, const cJSON* status) {
  const double now = number(status, "time");
  const cJSON* spools = item(status, "spools");
  if (cJSON_GetArraySize(spools) == 0) return;
  out.line("");
  out.line("{:<20} {:>8} {:>6} {:>10} {:>8}", "SPOOL", "WAITING", "DEAD", "SIZE", "OLDEST");
  const cJSON* each = nullptr;
  cJSON_ArrayForEach(each, spools) {
    const double oldest = number(each, "oldest");
    const cJSON* messages = item(each, "messages");
    out.line("{:<20} {:>8} {:>6} {:>10} {:>8}", text(each, "name"),
             number(messages, "waiting") + number(messages, "stored"), number(messages, "dead"),
             format_size(static_cast<uint64_t>(std::max(0.0, number(each, "bytes")))),
             oldest > 0 ? age(now - oldest) : "-");
  }
}

void add_rest(Text& out, const cJSON* status) {
  const double now = number(status, "time");
  out.line("");
  const cJSON* each = nullptr;
  std::string messages;
  cJSON_ArrayForEach(each, item(status, "messages")) {
    messages += fmt::format("{}{} {}", messages.empty() ? "" : ", ", each->valuedouble,
                            each->string ? each->string : "");
  }
  out.line("messages since the start: {}", messages);
  cJSON_ArrayForEach(each, item(status, "limits")) {
    const double limit = number(each, "limit"), used = number(each, "used");
    out.line("{}: {} of {} ({:.0f} %)", text(each, "name"), used, limit,
             limit > 0 ? 100 * used / limit : 0);
  }
  cJSON_ArrayForEach(each, item(status, "certificates")) {
    out.line("certificate {}: valid for {}", text(each, "name"),
             age(number(each, "not_after") - now));
  }
  cJSON_ArrayForEach(each, item(status, "holds")) {
    out.line("held: {} for {}, by {}", text(each, "output"), age(now - number(each, "since")),
             text(each, "by"));
  }
}

}  // namespace

std::string status_for_person(const std::string& document) {
  const admin::Json status(cJSON_Parse(document.c_str()));
  if (!cJSON_IsObject(status.get()) || !item(status.get(), "phase")) return {};
  Text out;
  add_head(out, status.get());
  add_outputs(out, status.get());
  add_broker_connections(out, status.get());
  add_spools(out, status.get());
  add_rest(out, status.get());
  return out.out;
}

}  // namespace lsmtpd::app
