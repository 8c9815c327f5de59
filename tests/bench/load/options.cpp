// SPDX-License-Identifier: Apache-2.0
#include "options.hpp"

#include <cstdio>
#include <cstdlib>

namespace lsmtpd::bench {
namespace {

[[noreturn]] void usage(const std::string& problem) {
  std::fprintf(
      stderr,
      "smtp_load: %s\n"
      "usage: smtp_load [OPTION...] ADDRESS:PORT (an IPv4 address)\n"
      "  --mode one|kept|pipelined|bdat|one-pipelined|one-bdat   default kept\n"
      "  --size OCTETS          of the content, default 4096\n"
      "  --connections N        at once, default 30\n"
      "  --messages N           or\n"
      "  --seconds S            how long new messages are begun\n"
      "  --warm-up S            seconds before that are not counted\n"
      "  --rate R               messages a second at random moments, whatever the server does;\n"
      "                         one a connection, and at most --connections of them\n"
      "  --seed N               of these moments, default 1\n"
      "  --moments FILE         gets them, in seconds since the first one was drawn\n"
      "  --recipient ADDRESS    default r@example.org\n"
      "  --window N             BDAT transactions outstanding on a connection, default 4\n"
      "  --rtt MS               simulated round trip: a reply is acted on that much later\n"
      "  --patience S           seconds without a reply that end the run, default 60\n"
      "  --tls                  from the first octet\n"
      "  --step                 says ready and waits for a line on stdin, then measures, says\n"
      "                         its result and waits for another line before it hangs up\n",
      problem.c_str());
  std::exit(2);
}

double number(const std::string& option, const char* text) {
  char* end = nullptr;
  const double value = std::strtod(text, &end);
  if (end == text || *end != '\0' || value < 0) usage(option + " takes a number, not " + text);
  return value;
}

void set_mode(Options& options, std::string_view mode) {
  constexpr std::string_view kOne = "one-";
  options.kept = mode != "one" && !mode.starts_with(kOne);
  if (mode.starts_with(kOne)) mode.remove_prefix(kOne.size());
  if (mode == "one" || mode == "kept") {
    options.style = Style::stepwise;
  } else if (mode == "pipelined") {
    options.style = Style::pipelined;
  } else if (mode == "bdat") {
    options.style = Style::chunked;
  } else {
    usage("no mode " + std::string(mode));
  }
}

void set_target(Options& options, const std::string& target) {
  const std::size_t colon = target.rfind(':');
  if (colon == target.npos) usage("no ADDRESS:PORT: " + target);
  options.host = target.substr(0, colon);
  options.port = static_cast<std::uint16_t>(number("PORT", target.c_str() + colon + 1));
}

bool set_number(Options& options, std::string_view name, double value) {
  if (name == "--size") {
    options.size = static_cast<std::size_t>(value);
  } else if (name == "--connections") {
    options.connections = static_cast<std::size_t>(value);
  } else if (name == "--messages") {
    options.messages = static_cast<std::uint64_t>(value);
  } else if (name == "--seconds") {
    options.seconds = value;
  } else if (name == "--warm-up") {
    options.warm_up = value;
  } else if (name == "--rate") {
    options.rate = value;
  } else if (name == "--seed") {
    options.seed = static_cast<unsigned>(value);
  } else if (name == "--window") {
    options.window = static_cast<std::size_t>(value);
  } else if (name == "--rtt") {
    options.round_trip = std::chrono::microseconds(static_cast<std::int64_t>(value * 1000));
  } else if (name == "--patience") {
    options.patience = value;
  } else {
    return false;
  }
  return true;
}

}  // namespace

Options parse_options(int argc, char** argv) {
  Options options;
  for (int i = 1; i < argc; ++i) {
    const std::string argument = argv[i];
    if (argument == "--step") {
      options.step = true;
    } else if (argument == "--tls") {
      options.tls = true;
    } else if (!argument.starts_with("--")) {
      set_target(options, argument);
    } else if (i + 1 == argc) {
      usage(argument + " takes a value");
    } else if (argument == "--mode") {
      set_mode(options, argv[++i]);
    } else if (argument == "--recipient") {
      options.recipient = argv[++i];
    } else if (argument == "--moments") {
      options.moments = argv[++i];
    } else if (!set_number(options, argument, number(argument, argv[i + 1]))) {
      usage("no option " + argument);
    } else {
      ++i;
    }
  }
  if (options.port == 0) usage("no ADDRESS:PORT");
  if (options.messages == 0 && options.seconds <= 0) usage("--messages or --seconds");
  if (options.messages > 0 && options.warm_up > 0) usage("--warm-up goes with --seconds");
  if (options.rate > 0 && (options.kept || options.seconds <= 0)) {
    usage("--rate goes with --seconds and one message a connection");
  }
  if (options.connections == 0 || options.window == 0) usage("none is too few");
  return options;
}

Script::Script(const Options& options) {
  content = "From: s@example.org\r\nTo: r@example.org\r\nSubject: load\r\n\r\n";
  while (content.size() + 80 <= options.size) content += std::string(78, 'x') + "\r\n";
  if (options.size > content.size() + 2) {
    content += std::string(options.size - content.size() - 2, 'y') + "\r\n";
  }
  rcpt = "RCPT TO:<" + options.recipient + ">\r\n";
  chunk = "BDAT " + std::to_string(content.size()) + " LAST\r\n";
  if (options.style != Style::chunked) content += ".\r\n";
}

}  // namespace lsmtpd::bench
