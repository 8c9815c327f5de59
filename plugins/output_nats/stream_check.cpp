// SPDX-License-Identifier: Apache-2.0
#include "stream_check.hpp"

#include <cmath>
#include <vector>

#include "answer_json.hpp"
#include "subject.hpp"

namespace lsmtpd::nats {

namespace {

// Of max_age, in nanoseconds.
std::string duration(double ns) {
  const double seconds = ns / 1e9;
  const auto text = [](double value, const char* unit) {
    return std::to_string(static_cast<long long>(std::llround(value))) + unit;
  };
  if (seconds >= 2 * 86400) return text(seconds / 86400, " days");
  if (seconds >= 2 * 3600) return text(seconds / 3600, " hours");
  return text(seconds, " s");
}

class Judge {
 public:
  Judge(const Json& config, const Options& options, StreamCheck* out)
      : config_(config), options_(options), out_(*out) {}

  void run() {
    const double largest = config_.number("max_msg_size", -1);
    if (largest >= 0) out_.max_message = static_cast<std::uint64_t>(largest);
    facts();
    for (const std::string& why :
         {storage(), acknowledgement(), retention(), discard(), writable(), coverage(), sync()}) {
      if (why.empty()) continue;
      out_.refusal = why;
      return;
    }
    warnings();
  }

 private:
  bool limited(const char* key) const { return config_.number(key, -1) > 0; }

  std::string storage() const {
    if (config_.text("storage") == "file") return {};
    return "its storage is \"" + config_.text("storage") +
           "\": mail is gone when the server stops; use a stream with storage file";
  }

  std::string acknowledgement() const {
    return config_.is_true("no_ack") ? "it has no_ack: nobody learns whether a message was stored"
                                     : "";
  }

  std::string retention() const {
    if (config_.text("retention") != "interest") return {};
    return "its retention is interest: mail that comes while there is no consumer is dropped; use "
           "limits or workqueue";
  }

  // The mail that is dropped was acknowledged.
  std::string discard() const {
    const bool refuses = config_.text("discard") == "new";
    for (const char* limit : {"max_msgs", "max_bytes"})
      if (!refuses && limited(limit))
        return std::string("it has discard old and ") + limit +
               ": the oldest mail is dropped when it is full; use discard new";
    if (limited("max_msgs_per_subject") && !(refuses && config_.is_true("discard_new_per_subject")))
      return "it has max_msgs_per_subject, which drops the oldest mail of a subject; use discard "
             "new with discard_new_per_subject";
    return {};
  }

  std::string writable() const {
    if (config_.has_object("mirror")) return "it is a mirror: it takes no messages";
    return config_.is_true("sealed") ? "it is sealed: it takes no messages" : "";
  }

  std::string coverage() const {
    if (options_.subject.empty()) return {};
    std::string all;
    for (const std::string& pattern : config_.texts("subjects")) {
      if (subject_matches(pattern, options_.subject)) return {};
      all.append(all.empty() ? "" : ", ").append(pattern);
    }
    return "subject " + options_.subject + " is none of its subjects (" + all + ")";
  }

  std::string sync() const {
    if (options_.assume_synced || options_.allow_lossy_target) return {};
    return "it acknowledges before it has synced to disk, every two minutes unless sync_interval "
           "says otherwise, so a power cut loses mail: set assume_synced where every server of it "
           "has sync_interval: always, or allow_lossy_target";
  }

  void facts() {
    const auto replicas = static_cast<int>(config_.number("num_replicas", 1));
    std::string& text = out_.promises;
    text = config_.text("storage") + " storage, " + std::to_string(replicas) +
           (replicas == 1 ? " replica, " : " replicas, ") + config_.text("retention") +
           " retention, ";
    if (options_.assume_synced) {
      text += "synced before the acknowledgement (assume_synced says so, nobody can ask)";
    } else {
      text += "written before the acknowledgement, synced later: a power cut";
      text += replicas == 1 ? " loses mail" : " of a majority of its servers loses mail";
    }
    if (limited("max_age"))
      text += ", kept for " + duration(config_.number("max_age", 0)) + " (max_age)";
  }

  void warnings() {
    std::string& text = out_.warning;
    if (!options_.assume_synced)
      text = "it acknowledges before it has synced to disk, so a power cut loses mail";
    if (limited("max_age"))
      text += std::string(text.empty() ? "" : "; ") + "it drops mail after " +
              duration(config_.number("max_age", 0)) + ", read or not (max_age)";
  }

  const Json& config_;
  const Options& options_;
  StreamCheck& out_;
};

}  // namespace

StreamCheck check_stream(std::string_view answer, const Options& options) {
  StreamCheck check;
  const Json info = Json::parse(answer);
  if (const auto error = info.object("error"); error.is_object()) {
    check.refusal = "the server says: " + error.text("description") + " (code " +
                    error.digits("code") + ", err_code " + error.digits("err_code") + ")";
    return check;
  }
  const Json config = info.object("config");
  if (!config.is_object()) {
    check.refusal = "the server's answer about it is not understood";
    return check;
  }
  Judge(config, options, &check).run();
  return check;
}

}  // namespace lsmtpd::nats
