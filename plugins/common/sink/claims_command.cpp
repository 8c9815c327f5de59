// SPDX-License-Identifier: Apache-2.0
#include "claims_command.hpp"

#include <unistd.h>

#include <charconv>
#include <cstdint>
#include <cstdio>
#include <exception>
#include <string>
#include <vector>

#include "claim_options.hpp"
#include "claims.hpp"
#include "spooled_copies.hpp"

namespace lsmtpd::sink {

namespace {

constexpr int kOk = 0, kFailed = 1, kUsage = 2;

struct Line {
  std::int64_t older_s = -1;  // below 0: all objects
  std::vector<std::string> spools;
  bool remove = false;
};

// "90s", "30m", "12h", "7d" in seconds; below 0: it is none.
std::int64_t age_of(std::string_view text) {
  std::int64_t count = 0;
  const char* const end = text.data() + text.size();
  const auto parsed = std::from_chars(text.data(), end, count);
  if (parsed.ec != std::errc{} || count < 0 || count > 1'000'000 || parsed.ptr + 1 != end)
    return -1;
  switch (*parsed.ptr) {
    case 's':
      return count;
    case 'm':
      return count * 60;
    case 'h':
      return count * 3600;
    case 'd':
      return count * 86400;
    default:
      return -1;
  }
}

// Returns what is wrong; empty: nothing.
std::string parse(const std::vector<std::string_view>& arguments, Line* line) {
  for (std::size_t i = 0; i < arguments.size(); ++i) {
    const std::string_view word = arguments[i];
    if (word == "--delete") {
      line->remove = true;
      continue;
    }
    if (word != "--orphans" && word != "--spool") return "\"" + std::string(word) + "\" is unknown";
    if (++i == arguments.size()) return std::string(word) + " wants one more word";
    if (word == "--spool") {
      line->spools.emplace_back(arguments[i]);
    } else if ((line->older_s = age_of(arguments[i])) < 0) {
      return "\"" + std::string(arguments[i]) + "\" is no age: 90s, 30m, 12h, 7d";
    }
  }
  if (line->older_s < 0 && (line->remove || !line->spools.empty()))
    return "--spool and --delete go with --orphans AGE";
  return {};
}

// Reports to the terminal.
class Printed {
 public:
  explicit Printed(sdk::Terminal terminal)
      : raw_{&terminal_, error, warning}, terminal_(terminal) {}
  Printed(const Printed&) = delete;
  Printed& operator=(const Printed&) = delete;
  sdk::Report report() const { return sdk::Report(&raw_); }

 private:
  static void error(const lsmtpd_report* report, lsmtpd_str key, lsmtpd_str message) {
    static_cast<const sdk::Terminal*>(report->self)
        ->error(std::string(sdk::view(key)) + ": " + std::string(sdk::view(message)) + "\n");
  }
  static void warning(const lsmtpd_report*, lsmtpd_str, lsmtpd_str) {}

  lsmtpd_report raw_;
  sdk::Terminal terminal_;
};

// Names come from whoever may write to the directory.
std::string printable(std::string_view text) {
  std::string out;
  for (const char c : text) out += c > ' ' && c <= '~' ? c : '?';
  return out;
}

class Run {
 public:
  Run(ClaimStore& store, const Line& line, sdk::Terminal terminal)
      : store_(store), line_(line), terminal_(terminal) {
    for (const std::string& folder : line.spools) spools_.emplace_back(folder);
  }

  int run() {
    // Each is deleted as soon as its age is known: a resend that comes meanwhile makes it new.
    const std::string why = store_.list([&](const StoredObject& object) {
      if (line_.older_s < 0) return print(object);
      if (object.age_s >= line_.older_s && !waits(object.key)) take(object);
    });
    if (!why.empty()) fail(why);
    return failed_ ? kFailed : kOk;
  }

 private:
  bool waits(const std::string& key) {
    for (SpooledCopies& spool : spools_) {
      std::string error;
      const bool found = spool.has(key, error);
      if (!error.empty()) fail(error);
      if (found) return true;
    }
    return false;
  }

  void print(const StoredObject& object) {
    terminal_.out(printable(object.key) + "\t" + std::to_string(object.size) + "\t" +
                  std::to_string(object.age_s) + "\n");
  }

  void take(const StoredObject& object) {
    print(object);
    if (!line_.remove) return;
    if (const std::string why = store_.remove(object.key); !why.empty())
      fail(printable(object.key) + ": " + why);
  }

  void fail(const std::string& why) {
    terminal_.error("lsmtpd: claims: " + store_.name() + ": " + why + "\n");
    failed_ = true;
  }

  ClaimStore& store_;
  const Line& line_;
  const sdk::Terminal terminal_;
  std::vector<SpooledCopies> spools_;
  bool failed_ = false;
};

}  // namespace

int run_claims(sdk::Config config, const std::vector<std::string_view>& arguments,
               sdk::Terminal terminal) {
  Line line;
  if (const std::string wrong = parse(arguments, &line); !wrong.empty()) {
    terminal.error("lsmtpd: claims: " + wrong + "; see lsmtpd claims --help\n");
    return kUsage;
  }
  const Printed printed(terminal);
  ClaimOptions options;
  if (!parse_claim_options(config, printed.report(), &options)) return kUsage;
  if (!options.on) {
    terminal.error("lsmtpd: claims: this output has no claim_check; choose another by --plugin\n");
    return kUsage;
  }
  for (const std::string& folder : line.spools) {
    if (::access(folder.c_str(), R_OK | X_OK) == 0) continue;
    terminal.error("lsmtpd: claims: cannot read the folder " + folder + "\n");
    return kUsage;
  }
  const std::unique_ptr<ClaimStore> store = make_store(options);
  return Run(*store, line, terminal).run();
}

}  // namespace lsmtpd::sink
