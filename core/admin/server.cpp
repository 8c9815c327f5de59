// SPDX-License-Identifier: Apache-2.0
#include "admin/server.hpp"

#include <arpa/inet.h>
#include <strings.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <csignal>

#include "admin/json.hpp"
#include "admin/page.hpp"
#include "admin/status.hpp"
#include "log/log.hpp"
#include "metrics/prometheus_text.hpp"

namespace lsmtpd::admin {

namespace {

constexpr uint64_t kTickMs = 1000;
// Below the workers, so that whatever is asked here takes no time from mail on a busy machine.
constexpr int kNice = 5;

// In constant time for texts of one length.
bool is_same(std::string_view a, std::string_view b) {
  if (a.size() != b.size()) return false;
  unsigned difference = 0;
  for (size_t i = 0; i < a.size(); ++i)
    difference |= static_cast<unsigned char>(a[i]) ^ static_cast<unsigned char>(b[i]);
  return difference == 0;
}

bool equal_names(std::string_view a, std::string_view b) {
  return a.size() == b.size() && ::strncasecmp(a.data(), b.data(), a.size()) == 0;
}

bool is_probe(const std::string& path) {
  return path == "/livez" || path == "/readyz";
}

void answer_reasons(Exchange& exchange, const std::vector<std::string>& reasons) {
  const Json object = json_object();
  put(object.get(), "status", reasons.empty() ? "ok" : "unavailable");
  Json list = json_array();
  for (const auto& reason : reasons) append(list.get(), reason);
  put(object.get(), "reasons", std::move(list));
  exchange.answer(reasons.empty() ? 200 : 503, "application/json", printed(object) + "\n");
}

}  // namespace

bool host_is_ours(std::string_view host, const std::vector<std::string>& hosts) {
  std::string name(host);
  if (!name.empty() && name.front() == '[') {
    name = name.substr(1, name.find(']') - 1);
  } else {
    name = name.substr(0, name.find(':'));
  }
  unsigned char address[16];
  if (::inet_pton(AF_INET, name.c_str(), address) == 1 ||
      ::inet_pton(AF_INET6, name.c_str(), address) == 1 || equal_names(name, "localhost"))
    return true;
  return std::any_of(hosts.begin(), hosts.end(),
                     [&](const auto& ours) { return equal_names(name, ours); });
}

Server::Server(Settings settings, Board& board, Commands& commands,
               std::shared_ptr<metrics::Registry> registry)
    : settings_(std::move(settings)),
      board_(board),
      commands_(commands),
      registry_(std::move(registry)) {}

Server::~Server() {
  stop();
}

void Server::start(UniqueFd local, std::vector<UniqueFd> http) {
  http_ = std::make_unique<HttpServer>(
      loop_, [this](const std::shared_ptr<Exchange>& exchange) { handle(exchange); });
  if (local) http_->add(std::move(local), true);
  for (auto& socket : http) http_->add(std::move(socket), false);
  timer_ = std::make_unique<io::Timer>(loop_, [this] { tick(); });
  timer_->start(kTickMs, kTickMs);
  gate_->open(loop_);
  // Signals belong to the main thread's loop.
  sigset_t all, before;
  ::sigfillset(&all);
  ::pthread_sigmask(SIG_SETMASK, &all, &before);
  thread_ = std::thread([this] { run(); });
  ::pthread_sigmask(SIG_SETMASK, &before, nullptr);
}

void Server::run() {
  const auto thread = static_cast<id_t>(::syscall(SYS_gettid));
  ::setpriority(PRIO_PROCESS, thread, ::getpriority(PRIO_PROCESS, thread) + kNice);
  loop_.run();
}

void Server::stop() {
  if (!thread_.joinable()) return;
  gate_->close();
  loop_.stop();
  thread_.join();
  timer_.reset();
  http_.reset();
}

void Server::tick() {
  board_.look();
  if (loop_.now_ms() - sampled_ms_ < History::kStepMs) return;
  sampled_ms_ = loop_.now_ms();
  history_.take(snapshot(), sampled_ms_);
}

const metrics::Snapshot& Server::snapshot() {
  if (!fresh(snapshot_ms_)) {
    snapshot_ = registry_->snapshot();
    snapshot_ms_ = loop_.now_ms();
  }
  return snapshot_;
}

const std::string& Server::metrics_text() {
  if (!fresh(metrics_ms_)) {
    metrics_text_ = metrics::to_text(snapshot());
    metrics_ms_ = loop_.now_ms();
  }
  return metrics_text_;
}

const std::string& Server::status_text() {
  if (!fresh(status_ms_)) {
    board_.look();
    status_text_ = status_document(board_, snapshot(), history_, settings_.unready_after_ms);
    status_ms_ = loop_.now_ms();
  }
  return status_text_;
}

// Over TCP: reading only, by a name of ours, and by the token where there is one. The Unix socket
// is guarded by its file's mode.
bool Server::may(Exchange& exchange) const {
  const Request& request = exchange.request();
  if (request.local) return true;
  if (request.method != "GET" && request.method != "HEAD") {
    exchange.answer(405, "text/plain", "only GET\n", "Allow: GET, HEAD\r\n");
    return false;
  }
  if (!host_is_ours(request.host, settings_.hosts)) {
    exchange.answer(421, "text/plain",
                    "the Host field names another server: use an address, or list the name in "
                    "admin.hosts\n");
    return false;
  }
  if (settings_.token.empty() || is_probe(request.path) ||
      is_same(request.authorization, "Bearer " + settings_.token))
    return true;
  exchange.answer(401, "text/plain", "the token of admin.token_file is missing or wrong\n",
                  "WWW-Authenticate: Bearer\r\n");
  return false;
}

void Server::handle(const std::shared_ptr<Exchange>& exchange) {
  if (!may(*exchange)) return;
  const std::string& path = exchange->request().path;
  const bool reads = exchange->request().method != "POST";
  if (path == "/ctl" && exchange->request().local && !reads) {
    command(exchange);
  } else if (!reads) {
    exchange->answer(405, "text/plain", "only GET\n", "Allow: GET, HEAD\r\n");
  } else if (path == "/livez") {
    livez(*exchange);
  } else if (path == "/readyz") {
    readyz(*exchange);
  } else if (path == "/metrics") {
    exchange->answer(200, metrics::kTextType, metrics_text());
  } else if (path == "/status") {
    exchange->answer(200, "application/json", status_text());
  } else if (path == "/") {
    exchange->answer(200, "text/html; charset=utf-8", kPage,
                     "Content-Security-Policy: default-src 'none'; style-src 'unsafe-inline'; "
                     "script-src 'unsafe-inline'; connect-src 'self'\r\n");
  } else {
    exchange->answer(404, "text/plain", "there are /, /livez, /readyz, /metrics and /status\n");
  }
}

// Never depends on disk or broker: those are no reason to kill the process.
void Server::livez(Exchange& exchange) const {
  answer_reasons(exchange, board_.stuck());
}

void Server::readyz(Exchange& exchange) const {
  const auto& query = exchange.request().query;
  const auto chain = query.find("chain");
  const auto scope = query.find("scope");
  if (scope != query.end() && scope->second != "process" && scope->second != "all") {
    exchange.answer(400, "text/plain", "scope is \"process\" or \"all\"\n");
    return;
  }
  const std::string wanted = chain == query.end() ? "" : chain->second;
  board_.look();
  if (!wanted.empty() && board_.phase() == Phase::serving && !board_.has_chain(wanted)) {
    exchange.answer(404, "text/plain", "there is no chain of that name\n");
    return;
  }
  const bool with_chains = scope == query.end() || scope->second != "process";
  answer_reasons(exchange, board_.unready(settings_.unready_after_ms, wanted, with_chains));
}

// {"command": "hold", "arguments": ["broker"]}
void Server::command(const std::shared_ptr<Exchange>& exchange) {
  const Request& request = exchange->request();
  const Json body(cJSON_Parse(request.body.c_str()));
  const cJSON* name = cJSON_GetObjectItemCaseSensitive(body.get(), "command");
  const cJSON* arguments = cJSON_GetObjectItemCaseSensitive(body.get(), "arguments");
  if (!cJSON_IsString(name)) {
    exchange->answer(400, "text/plain", "no command\n");
    return;
  }
  Order order{name->valuestring, {}, request.by};
  const cJSON* each = nullptr;
  cJSON_ArrayForEach(each, arguments) {
    if (cJSON_IsString(each)) order.arguments.emplace_back(each->valuestring);
  }
  exchange->begin("application/x-ndjson");
  const auto answer = std::make_shared<Answer>(exchange, gate_);
  if (!commands_.has(order.command)) {
    answer->err("this daemon knows no command " + order.command + "\n");
    answer->end(2);
    return;
  }
  std::string words;
  for (const auto& word : order.arguments) words += (words.empty() ? "" : " ") + word;
  log::info("admin_command", {{"command", order.command}, {"arguments", words}, {"by", order.by}});
  commands_.run(order, answer);
}

}  // namespace lsmtpd::admin
