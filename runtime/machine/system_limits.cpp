#include "runtime/machine/system_fitness.hpp"

#include "runtime/base/variables.hpp"
#include "runtime/base/words.hpp"

#include <algorithm>
#include <charconv>

namespace tayfa {

namespace {

using std::chrono::milliseconds;

constexpr std::uint64_t timeout_most_s = 600;

template <class Number>
std::optional<Number> number_of(std::string_view text) {
  Number number{};
  const auto [rest, ec] = std::from_chars(text.data(), text.data() + text.size(), number);
  const bool whole = ec == std::errc{} && rest == text.data() + text.size();
  return whole ? std::optional{number} : std::nullopt;
}

std::optional<net_target> target_in(std::string_view text, std::uint16_t usual_port) {
  std::string_view host = text;
  std::string_view port;
  if (text.starts_with('[')) {
    const std::size_t end = std::min(text.find(']'), text.size());
    host = text.substr(1, end - 1);
    const std::string_view rest = text.substr(std::min(end + 1, text.size()));
    if (end == text.size() || (!rest.empty() && !rest.starts_with(':'))) {
      return std::nullopt;
    }
    port = rest.empty() ? rest : rest.substr(1);
  } else if (const std::size_t colon = text.find(':');
             colon != std::string_view::npos && colon == text.rfind(':')) {
    host = text.substr(0, colon);
    port = text.substr(colon + 1);
  }
  const bool odd = std::any_of(host.begin(), host.end(), [](char c) {
    return static_cast<unsigned char>(c) <= 0x20 || c == 0x7F || c == '/' || c == '@';
  });
  const auto number = port.empty() ? std::optional{usual_port} : number_of<std::uint16_t>(port);
  if (host.empty() || host.size() > 255 || odd || !number || *number == 0) {
    return std::nullopt;
  }
  return net_target{std::string{host}, *number};
}

/// The host and port that a URL's calls go to.
std::optional<net_target> target_of_url(std::string_view url) {
  const std::size_t mark = url.find("://");
  if (mark == std::string_view::npos) {
    return std::nullopt;
  }
  const bool plain = text::iequals(url.substr(0, mark), "http");
  std::string_view authority = url.substr(mark + 3);
  authority = authority.substr(0, authority.find_first_of("/?#"));
  return target_in(authority, plain ? 80 : 443);
}

class limits_reader {
 public:
  explicit limits_reader(std::span<const std::string> environment) : environment_(environment) {}

  std::string_view value(std::string_view name) const {
    return variable_or_empty(environment_, name);
  }
  bool says_true(std::string_view name) const { return text::iequals(value(name), "true"); }

  void number(std::string_view name, double most, double& out) {
    const std::string_view text = value(name);
    if (text.empty()) {
      return;
    }
    const auto number = number_of<double>(text);
    if (!number || !(*number >= 0 && *number <= most)) {
      broken(name, "is no number from 0 to " + std::to_string(static_cast<int>(most)));
      return;
    }
    out = *number;
  }

  void seconds(std::string_view name, milliseconds& out) {
    const std::string_view text = value(name);
    if (text.empty()) {
      return;
    }
    const auto number = number_of<std::uint64_t>(text);
    if (!number || *number == 0 || *number > timeout_most_s) {
      broken(name, "is no number of seconds from 1 to 600");
      return;
    }
    out = std::chrono::seconds{*number};
  }

  void broken(std::string_view name, const std::string& what) {
    if (!failure_) {
      failure_ = error{errc::bad_config, std::string{name} + " " + what};
    }
  }
  const std::optional<error>& failure() const { return failure_; }

 private:
  std::span<const std::string> environment_;
  std::optional<error> failure_;
};

void read_network(limits_reader& reader, bool asked, net_target& out) {
  constexpr std::string_view name = "RUNPOD_NETWORK_CHECK_HOST";
  const std::string_view text = reader.value(name);
  if (text.empty() && !asked) {
    return;
  }
  const auto target =
      text.empty() ? target_of_url(reader.value("RUNPOD_WEBHOOK_GET_JOB")) : target_in(text, 443);
  if (!target) {
    reader.broken(text.empty() ? "RUNPOD_WEBHOOK_GET_JOB" : name, "names no host");
    return;
  }
  out = *target;
}

} // namespace

std::optional<cuda_version> cuda_version_in(std::string_view text) {
  const std::size_t first = text.find_first_of("0123456789");
  if (first == std::string_view::npos) {
    return std::nullopt;
  }
  cuda_version version;
  const char* const end = text.data() + text.size();
  const auto major = std::from_chars(text.data() + first, end, version.major);
  if (major.ec != std::errc{}) {
    return std::nullopt;
  }
  if (major.ptr != end && *major.ptr == '.') {
    std::from_chars(major.ptr + 1, end, version.minor);
  }
  return version;
}

result<std::optional<system_limits>> system_limits_from(std::span<const std::string> environment,
                                                        const system_terms& terms) {
  limits_reader reader{environment};
  if (reader.value("RUNPOD_WEBHOOK_GET_JOB").empty()) {
    return std::optional<system_limits>{};
  }
  system_limits out;
  out.system = !reader.says_true("RUNPOD_SKIP_AUTO_SYSTEM_CHECKS");
  out.gpu = !reader.says_true("RUNPOD_SKIP_GPU_CHECK") && !terms.unfit_goes_on;
  out.data_folder = terms.data_folder;
  out.memory_asked = !reader.value("RUNPOD_MIN_MEMORY_GB").empty();
  reader.number("RUNPOD_MIN_MEMORY_GB", 1'000'000, out.memory_gb);
  reader.number("RUNPOD_MIN_DISK_PERCENT", 100, out.disk_percent);
  if (const std::string_view text = reader.value("RUNPOD_MIN_CUDA_VERSION"); !text.empty()) {
    const auto version = cuda_version_in(text);
    if (!version) {
      reader.broken("RUNPOD_MIN_CUDA_VERSION", "is no version such as 11.8");
    }
    out.cuda = version.value_or(out.cuda);
  }
  reader.seconds("RUNPOD_NETWORK_CHECK_TIMEOUT", out.network_timeout);
  reader.seconds("RUNPOD_GPU_BENCHMARK_TIMEOUT", out.benchmark);
  reader.seconds("RUNPOD_GPU_TEST_TIMEOUT", out.gpu_test);
  read_network(reader, terms.network_check, out.network);
  if (reader.failure()) {
    return fail(*reader.failure());
  }
  return std::optional{std::move(out)};
}

} // namespace tayfa
