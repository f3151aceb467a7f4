#include "runtime/config/rate.hpp"

#include <algorithm>
#include <array>
#include <charconv>
#include <optional>

namespace tayfa {

namespace {

using std::chrono::milliseconds;

constexpr std::uint64_t requests_max = 1'000'000;
constexpr milliseconds period_min{100};
constexpr milliseconds period_max{std::chrono::hours{1}};

std::optional<std::uint64_t> number_in(std::string_view text, std::uint64_t highest) {
  std::uint64_t number = 0;
  const char* const last = text.data() + text.size();
  const auto [rest, ec] = std::from_chars(text.data(), last, number);
  return ec == std::errc{} && rest == last && number > 0 && number <= highest
             ? std::optional{number}
             : std::nullopt;
}

std::optional<milliseconds> period_in(std::string_view text) {
  constexpr std::array<std::pair<std::string_view, std::uint64_t>, 4> units{
      {{"ms", 1}, {"s", 1'000}, {"m", 60'000}, {"h", 3'600'000}}};
  const std::size_t digits = std::min(text.find_first_not_of("0123456789"), text.size());
  const auto* const unit =
      std::find_if(units.begin(), units.end(),
                   [name = text.substr(digits)](const auto& each) { return each.first == name; });
  const auto number = number_in(text.substr(0, digits), 3'600'000);
  if (!number || unit == units.end()) {
    return std::nullopt;
  }
  const milliseconds period{static_cast<std::int64_t>(*number * unit->second)};
  return period >= period_min && period <= period_max ? std::optional{period} : std::nullopt;
}

} // namespace

result<route_rate> parse_rate(std::string_view text) {
  if (text == "off" || text == "runpod") {
    return route_rate{std::string{text}};
  }
  const std::size_t mark = text.find('=');
  const std::size_t slash = mark == std::string_view::npos ? mark : text.find('/', mark);
  if (slash == std::string_view::npos) {
    return fail(errc::bad_config, "is not off, runpod, or route=requests/period:at once");
  }
  route_rate rate{std::string{text.substr(0, mark)}};
  const auto rest = text.substr(slash + 1);
  const std::size_t colon = std::min(rest.find(':'), rest.size());
  const auto requests = number_in(text.substr(mark + 1, slash - mark - 1), requests_max);
  const auto period = period_in(rest.substr(0, colon));
  const auto at_once = colon == rest.size() ? std::optional<std::uint64_t>{0}
                                            : number_in(rest.substr(colon + 1), requests_max);
  if (!requests || !at_once) {
    return fail(errc::bad_config, "has a number that is not from 1 to 1000000");
  }
  if (!period) {
    return fail(errc::bad_config, "has a period that is not from 100ms to 1h");
  }
  rate.requests = static_cast<std::uint32_t>(*requests);
  rate.period = *period;
  rate.at_once = static_cast<std::uint32_t>(*at_once);
  return rate;
}

} // namespace tayfa
