// SPDX-License-Identifier: Apache-2.0
// auth_file: checks the credentials of AUTH against a file of crypt(3) hashes, which is read again
// when it changes. As a step of a chain it can also tie reverse-paths to users.
#include <string.h>
#include <sys/stat.h>
#include <lsmtpd/sdk/plugin.hpp>

#include <algorithm>
#include <memory>
#include <mutex>
#include <utility>

#include "gate.hpp"
#include "secret_files/secret_files.hpp"
#include "success_cache.hpp"
#include "users.hpp"

namespace {

namespace sdk = lsmtpd::sdk;
using namespace auth_file;

constexpr std::uint64_t kMemoryOfAHash = std::uint64_t{32} << 20;
constexpr std::uint64_t kLookAtFileMs = 1000;

// The file as it is now, and the users that were read from it last.
class UserFile {
 public:
  explicit UserFile(std::string path) : path_(std::move(path)) {}

  // Reads it for the first time. Empty: all is well.
  std::string open() {
    identify(seen_);
    auto users = std::make_shared<Users>();
    const std::string problem = users->read(path_);
    if (problem.empty()) users_ = std::move(users);
    return problem;
  }

  // Whether it differs from what was read, looked at once a second. [any]
  bool changed(std::uint64_t now_ms) {
    const std::lock_guard<std::mutex> lock(mutex_);
    if (now_ms < look_at_ms_) return false;
    look_at_ms_ = now_ms + kLookAtFileMs;
    Identity now{};
    identify(now);
    return !(now == seen_);
  }

  // Reads it again where it has changed: for the pool. On a problem the former users stay, and the
  // same change is not read again.
  std::string refresh(SuccessCache& cache) {
    const std::lock_guard<std::mutex> reading(reading_);
    Identity now{};
    identify(now);
    {
      const std::lock_guard<std::mutex> lock(mutex_);
      if (now == seen_) return {};
    }
    auto users = std::make_shared<Users>();
    const std::string problem = users->read(path_);
    const std::lock_guard<std::mutex> lock(mutex_);
    seen_ = now;
    if (!problem.empty()) return problem;
    users_ = std::move(users);
    cache.drop_all(++generation_);
    return {};
  }

  std::pair<std::shared_ptr<const Users>, std::uint64_t> users() const {
    const std::lock_guard<std::mutex> lock(mutex_);
    return {users_, generation_};
  }

 private:
  struct Identity {
    dev_t device = 0;
    ino_t inode = 0;
    off_t size = -1;
    std::int64_t changed_ns = 0;
    bool operator==(const Identity& other) const {
      return device == other.device && inode == other.inode && size == other.size &&
             changed_ns == other.changed_ns;
    }
  };
  void identify(Identity& identity) const {
    struct stat now {};
    if (::stat(path_.c_str(), &now) != 0) return;
    identity = {now.st_dev, now.st_ino, now.st_size,
                std::int64_t{now.st_ctim.tv_sec} * 1'000'000'000 + now.st_ctim.tv_nsec};
  }

  const std::string path_;
  std::mutex reading_;
  mutable std::mutex mutex_;
  Identity seen_;
  std::uint64_t look_at_ms_ = 0;
  std::uint64_t generation_ = 0;
  std::shared_ptr<const Users> users_ = std::make_shared<Users>();
};

struct Shared {
  Shared(std::string path, std::uint32_t at_once) : file(std::move(path)), gate(at_once) {}
  UserFile file;
  SuccessCache cache;
  Gate gate;
};

// One attempt that needs a hash. Its password is cleared when it goes.
struct Job {
  Job(sdk::Call c, std::string_view u, std::string_view p) : call(std::move(c)), user(u) {
    password.reserve(std::max<std::size_t>(64, p.size()));  // on the heap: a move leaves no copy
    password.append(p);
  }
  ~Job() { explicit_bzero(password.data(), password.capacity()); }
  Job(const Job&) = delete;
  Job& operator=(const Job&) = delete;

  sdk::Call call;
  const std::string user;
  std::string password;
};

struct Outcome {
  Checked checked = Checked::unknown;
  std::uint64_t generation = 0;
  std::string problem;  // of the file
};

class Lane : public sdk::Lane, public sdk::Auth, public sdk::SessionFilter {
 public:
  Lane(sdk::LaneHost host, Shared& shared) : sdk::Lane(std::move(host)), shared_(shared) {}

  void verify(sdk::Call call, const lsmtpd_credentials& given) override {
    if (given.mechanism == LSMTPD_AUTH_EXTERNAL) return external(std::move(call), given);
    const std::string_view user = sdk::view(given.user), password = sdk::view(given.password);
    const std::string_view authorization = sdk::view(given.authorization);
    // Nobody may act for another one.
    if (!authorization.empty() && authorization != user) return call.wrong_credentials(true);
    const bool changed = shared_.file.changed(host().now_ms());
    if (!changed && shared_.cache.knows(user, password, host().now_ms()))
      return call.authenticated();
    const auto job = std::make_shared<Job>(std::move(call), user, password);
    // The gate may start it on another thread, when another one is done.
    const bool entered = shared_.gate.enter(this, [this, job, lane = host()] {
      if (!lane.post([this, job] { hash(job); })) shared_.gate.leave();
    });
    if (!entered) job->call.tempfail({}, 0, {}, "too many passwords are being checked");
  }

  // The reverse-path of an authenticated user must be the user's name.
  void decide(sdk::Call call, const lsmtpd_session_event& event) override {
    const std::string_view user = sdk::view(lsmtpd_auth_user(event.envelope));
    const std::string_view sender = sdk::view(event.envelope->reverse_path);
    if (user.empty() || sender.empty() || same_address(user, sender)) return call.proceed();
    call.reject("Sender address is not that of the authenticated user", 553, "5.7.1");
  }

  void close(sdk::Closed closed) override {
    shared_.gate.forget(this);  // the calls that wait are answered
    closed();
  }

 private:
  static bool same_address(std::string_view a, std::string_view b) {
    const auto lower = [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c; };
    return std::equal(a.begin(), a.end(), b.begin(), b.end(),
                      [&](char x, char y) { return lower(x) == lower(y); });
  }

  void external(sdk::Call call, const lsmtpd_credentials& given) {
    if (shared_.file.changed(host().now_ms())) refresh_later();
    const lsmtpd_tls* tls = given.envelope->tls;
    const auto [users, generation] = shared_.file.users();
    const std::string_view user = tls == nullptr || tls->client_verified == 0
                                      ? std::string_view()
                                      : users->user_of(sdk::view(tls->client_sha256));
    const std::string_view wanted = sdk::view(given.authorization);
    if (user.empty() || (!wanted.empty() && wanted != user)) return call.wrong_credentials(true);
    call.authenticated(user);
  }
  // Looking a certificate up needs no hash: the answer follows the file at the next attempt.
  void refresh_later() {
    host().offload([this] { return shared_.file.refresh(shared_.cache); },
                   [this](const std::string& problem) { report(problem); });
  }

  void hash(const std::shared_ptr<Job>& job) {
    const bool started = host().offload(
        [this, job] {
          Outcome outcome;
          try {
            outcome.problem = shared_.file.refresh(shared_.cache);
            const auto [users, generation] = shared_.file.users();
            outcome.generation = generation;
            outcome.checked = users->check(job->user, job->password);
          } catch (const std::exception& error) {
            outcome.problem = error.what();
          }
          return outcome;
        },
        [this, job](const Outcome& outcome) {
          shared_.gate.leave();
          report(outcome.problem);
          if (outcome.checked != Checked::right)
            return job->call.wrong_credentials(outcome.checked == Checked::unknown);
          shared_.cache.add(job->user, job->password, host().now_ms(), outcome.generation);
          job->call.authenticated();
        });
    if (started) return;
    shared_.gate.leave();
    job->call.tempfail({}, 0, {}, "the pool is full");
  }

  void report(const std::string& problem) {
    if (!problem.empty())
      host().error("the users were not read again; those read before stay", {{"error", problem}});
  }

  Shared& shared_;
};

class Instance : public sdk::Instance {
 public:
  static constexpr lsmtpd_option options[] = {
      sdk::option::required(sdk::option::path(
          "file", nullptr, "users, a line each: NAME:HASH; read again when it changes")),
      sdk::option::one_of("reverse_path", "any user", "any",
                          "as a step of a chain: user refuses a reverse-path that is not the "
                          "authenticated user's name"),
  };

  static void validate(sdk::Config config, sdk::Report report) {
    const std::string file(config.path("file"));
    if (const std::string problem = Users().read(file); !problem.empty())
      return report.error("file", problem);
    lsmtpd::secret_files::warn_if_public(report, "file", file);
  }

  Instance(sdk::Host host, sdk::Config config)
      : sdk::Instance(host, config), shared_(config.path("file"), at_once(host.memory_limit())) {}

  bool start(sdk::Report& report) override {
    const std::string problem = shared_.file.open();
    if (!problem.empty()) report.error("file", problem);
    return problem.empty();
  }
  std::unique_ptr<Lane> open_lane(sdk::LaneHost host) {
    return std::make_unique<Lane>(std::move(host), shared_);
  }
  uint32_t phases() const override {
    return config().string("reverse_path") == "user" ? LSMTPD_PHASE_MAIL : 0;
  }
  uint32_t mechanisms() const override {
    return LSMTPD_AUTH_PLAIN | LSMTPD_AUTH_LOGIN | LSMTPD_AUTH_EXTERNAL;
  }

 private:
  // One yescrypt hash takes 17 MiB.
  static std::uint32_t at_once(std::uint64_t memory) {
    return static_cast<std::uint32_t>(std::clamp<std::uint64_t>(memory / kMemoryOfAHash, 1, 64));
  }

  Shared shared_;
};

}  // namespace

LSMTPD_PLUGIN(Instance, "auth_file", "1.0.0", "lsmtpd",
              "checks the users of AUTH against a file of crypt(3) hashes");
