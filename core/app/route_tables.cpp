// SPDX-License-Identifier: Apache-2.0
#include "app/route_tables.hpp"

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <fstream>

#include "app/exit_status.hpp"
#include "base/text.hpp"
#include "smtp/addresses.hpp"

namespace lsmtpd::app {

using config::Diagnostic;
using config::Position;

namespace {

// More lines of one kind help nobody.
constexpr size_t kMostLines = 5;

class TableMaker {
 public:
  TableMaker(const config::Chain& chain, std::vector<Diagnostic>& diagnostics)
      : chain_(chain),
        diagnostics_(diagnostics),
        table_(std::make_shared<pipeline::RouteTable>(pipeline::RouteTable::Rules{
            .local_case = chain.case_sensitive ? smtp::LocalCase::kept : smtp::LocalCase::ignored,
            .delimiters = chain.recipient_delimiter,
            .reject_unmatched = chain.unmatched == config::Unmatched::reject})) {}

  std::shared_ptr<const pipeline::RouteTable> run() &&;

 private:
  void read_file(const std::string& name, Position at);
  void add(std::string_view pattern, const std::string& where, Position at);
  void complain(bool warning, Position at, std::string message, std::string hint = {});
  void check_postmaster();
  const config::Route& route() const { return chain_.routes[number_ - 1]; }

  const config::Chain& chain_;
  std::vector<Diagnostic>& diagnostics_;
  std::shared_ptr<pipeline::RouteTable> table_;
  uint32_t number_ = 0;  // of the route whose patterns are added
  size_t patterns_ = 0;
  size_t lines_ = 0;  // of diagnostics about one list or file
};

std::shared_ptr<const pipeline::RouteTable> TableMaker::run() && {
  for (number_ = 1; number_ <= chain_.routes.size(); ++number_) {
    lines_ = 0;
    for (size_t i = 0; i < route().recipients.size(); ++i)
      add(route().recipients[i], {}, route().given.item("recipients", i));
    for (size_t i = 0; i < route().files.size(); ++i)
      read_file(route().files[i], route().given.item("files", i));
  }
  check_postmaster();
  return std::move(table_);
}

void TableMaker::read_file(const std::string& name, Position at) {
  lines_ = 0;
  std::ifstream file(name);
  std::string line;
  bool any = false;
  for (size_t number = 1; std::getline(file, line); ++number) {
    std::string_view text = line;
    constexpr std::string_view kByteOrderMark = "\xef\xbb\xbf";
    if (number == 1 && text.starts_with(kByteOrderMark)) text.remove_prefix(kByteOrderMark.size());
    const size_t begin = text.find_first_not_of(" \t\r");
    if (begin == std::string_view::npos || text[begin] == '#') continue;
    text = text.substr(begin, text.find_last_not_of(" \t\r") + 1 - begin);
    any = true;
    add(text, fmt::format("{}:{}: ", escape_for_log(name), number), at);
  }
  if (!file.is_open() || file.bad()) {
    complain(false, at,
             fmt::format("route {} of chain.{}: cannot read {}: {}", route().name, chain_.name,
                         escape_for_log(name), std::strerror(errno)),
             "the user that lsmtpd runs as must be able to read it");
  } else if (!any) {
    complain(true, at,
             fmt::format("route {} of chain.{}: {} has no patterns", route().name, chain_.name,
                         escape_for_log(name)));
  }
}

// `where` names the line of a file, or is empty: `at` has the place.
void TableMaker::add(std::string_view pattern, const std::string& where, Position at) {
  if (++patterns_ == kMostPatterns + 1) {
    complain(
        false, at,
        fmt::format("{}chain.{} has more than {} patterns", where, chain_.name, kMostPatterns));
  }
  if (patterns_ > kMostPatterns) return;
  const auto owner = table_->owner(pattern);
  if (owner && *owner != number_) {
    complain(true, at,
             fmt::format("{}\"{}\" in route {} of chain.{} has no effect: route {} has it", where,
                         escape_for_log(pattern), route().name, chain_.name,
                         chain_.routes[*owner - 1].name),
             "the first route that matches takes the recipient");
    return;
  }
  if (auto status = table_->add(pattern, number_); !status) {
    complain(
        false, at,
        fmt::format("{}the pattern \"{}\" in route {} of chain.{} {}", where,
                    escape_for_log(pattern), route().name, chain_.name, status.error().message),
        "such as joe@example.org, *@example.org, *@*.example.org, abuse@*");
  }
}

void TableMaker::complain(bool warning, Position at, std::string message, std::string hint) {
  ++lines_;
  if (lines_ > kMostLines) return;
  diagnostics_.push_back({warning, at, std::move(message), std::move(hint)});
  if (lines_ == kMostLines)
    diagnostics_.back().hint = "there may be more of this kind, which are not shown";
}

// RFC 5321 4.5.1: it must be a mailbox.
void TableMaker::check_postmaster() {
  if (chain_.unmatched != config::Unmatched::reject) return;
  const auto match = table_->explain("postmaster@example.org");
  if (!match || match->number != 0) return;
  diagnostics_.push_back(
      {true, chain_.given["unmatched"],
       fmt::format("chain.{}: no route takes postmaster, so mail for it takes the chain's own "
                   "steps",
                   chain_.name),
       "add \"postmaster\" and \"postmaster@*\" to the recipients of a route"});
}

}  // namespace

RouteTables make_route_tables(const config::Config& config, std::vector<Diagnostic>& diagnostics) {
  RouteTables tables;
  for (const auto& chain : config.chains) {
    if (!chain.routes.empty()) tables[chain.name] = TableMaker(chain, diagnostics).run();
  }
  return tables;
}

int print_route(const config::Config& config, const RouteTables& tables,
                const std::string& address) {
  smtp::Path path;
  const auto fault = smtp::parse_path(address, path);
  if (fault != smtp::PathFault::none || path.address.empty() || !path.rest.empty()) {
    std::fprintf(stderr, "lsmtpd: --route: \"%s\" is no address that RCPT takes\n",
                 escape_for_log(address).c_str());
    return kExitUsage;
  }
  for (const auto& chain : config.chains) {
    const std::string shown = escape_for_log(path.address) + ": chain." + chain.name + ": ";
    const auto table = tables.find(chain.name);
    const auto match = table == tables.end() ? pipeline::RouteTable::Match{}
                                             : table->second->explain(path.address);
    if (!match) {
      std::printf("%srefused with 550 5.1.1: no route has it\n", shown.c_str());
    } else if (match->number == 0) {
      std::printf("%sthe chain's own steps: %s\n", shown.c_str(),
                  fmt::format("{}", fmt::join(chain.steps, ", ")).c_str());
    } else {
      const auto& route = chain.routes[match->number - 1];
      std::printf("%sroute %s by %s: after the chain's filters %s\n", shown.c_str(),
                  route.name.c_str(), escape_for_log(match->pattern).c_str(),
                  fmt::format("{}", fmt::join(route.steps, ", ")).c_str());
    }
  }
  return kExitOk;
}

}  // namespace lsmtpd::app
