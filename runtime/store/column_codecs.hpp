// How a member of a record becomes a cell and is read back. Cells that are read were written by us
// and may still be wrong (another tool, a damaged disk), so reading says whether such a cell was
// ever written.
//
// A member's type decides how it is stored; a column that stores it otherwise names a codec. Pure.
#pragma once

#include "runtime/store/column.hpp"

#include <algorithm>
#include <array>
#include <concepts>
#include <limits>
#include <optional>

namespace tayfa::store {

/// A state's place here is its number in stores: frozen. A new state goes behind the last.
inline constexpr std::array stored_states = {job_state::IN_QUEUE,  job_state::IN_PROGRESS,
                                             job_state::COMPLETED, job_state::FAILED,
                                             job_state::CANCELLED, job_state::TIMED_OUT};
constexpr std::int64_t number_of(job_state state) {
  return std::find(stored_states.begin(), stored_states.end(), state) - stored_states.begin();
}
#define TAYFA_X(name) static_assert(number_of(job_state::name) < std::ssize(stored_states));
TAYFA_JOB_STATES(TAYFA_X)
#undef TAYFA_X

inline bool is_null(const cell& from) {
  return std::holds_alternative<std::monostate>(from);
}
/// 0 for what is no number.
inline std::int64_t number_in(const cell& from) {
  const auto* const number = std::get_if<std::int64_t>(&from);
  return number == nullptr ? 0 : *number;
}
/// Empty for what is no text.
inline std::string_view text_in(const cell& from) {
  const auto* const text = std::get_if<std::string_view>(&from);
  return text == nullptr ? std::string_view{} : *text;
}

template <class T>
inline constexpr bool is_optional = false;
template <class T>
inline constexpr bool is_optional<std::optional<T>> = true;
template <class T>
inline constexpr bool is_text =
    std::convertible_to<const T&, std::string_view> || std::same_as<T, job_id>;

template <class T>
cell to_cell(const T& value, const store_clock& clock) {
  if constexpr (is_optional<T>) {
    return value ? to_cell(*value, clock) : cell{};
  } else if constexpr (std::same_as<T, moment>) {
    return clock.to_store(value);
  } else if constexpr (std::same_as<T, milliseconds>) {
    return std::int64_t{value.count()};
  } else if constexpr (std::same_as<T, job_state>) {
    return number_of(value);
  } else if constexpr (std::same_as<T, job_id>) {
    return std::string_view{value.str()};
  } else if constexpr (std::integral<T>) {
    return static_cast<std::int64_t>(value); // 64 bits without a sign as they are
  } else {
    return std::string_view{value};
  }
}

/// False: to_cell() made no such cell.
template <class T>
bool from_cell(const cell& from, T& to, const store_clock& clock) {
  [[maybe_unused]] const auto number = number_in(from);
  bool fits = true;
  if constexpr (is_optional<T>) {
    to.reset();
    return is_null(from) || from_cell(from, to.emplace(), clock);
  } else if constexpr (std::same_as<T, moment>) {
    to = clock.from_store(number);
  } else if constexpr (std::same_as<T, milliseconds>) {
    to = milliseconds{number};
  } else if constexpr (std::same_as<T, job_state>) {
    fits = number >= 0 && number < std::ssize(stored_states);
    to = fits ? stored_states[static_cast<std::size_t>(number)] : job_state::IN_QUEUE;
  } else if constexpr (std::same_as<T, job_id>) {
    auto id = job_id::parse(text_in(from));
    fits = id.has_value();
    to = std::move(id).value_or(job_id{});
  } else if constexpr (std::integral<T> && sizeof(T) < sizeof number) {
    fits = number >= 0 && number <= std::int64_t{std::numeric_limits<T>::max()};
    to = static_cast<T>(fits ? number : 0);
  } else if constexpr (std::integral<T>) {
    to = static_cast<T>(number);
  } else {
    to = T{text_in(from)};
  }
  return fits;
}

struct plain {
  static cell write(const auto& value, const store_clock& clock) { return to_cell(value, clock); }
  static bool read(const cell& from, auto& to, const store_clock& clock) {
    return from_cell(from, to, clock);
  }
};
/// The default value is NULL: an empty text; the moment that means "at once" in every process.
struct or_null {
  template <class T>
  static cell write(const T& value, const store_clock& clock) {
    return value == T{} ? cell{} : to_cell(value, clock);
  }
  template <class T>
  static bool read(const cell& from, T& to, const store_clock& clock) {
    to = T{};
    return is_null(from) || from_cell(from, to, clock);
  }
};
template <std::int64_t Max>
struct up_to : plain {
  template <class T>
  static bool read(const cell& from, T& to, const store_clock&) {
    const auto number = number_in(from);
    const bool fits = number >= 0 && number <= Max;
    to = static_cast<T>(fits ? number : 0);
    return fits;
  }
};
/// The job's order, with which the row of each table begins.
struct row_key : plain {
  static bool read(const cell& from, std::uint64_t& to, const store_clock&) {
    const auto found = static_cast<std::uint64_t>(number_in(from));
    to = to == 0 ? found : to;
    return found != 0 && found == to;
  }
};
/// A failure is two columns: its code, and behind it its text.
struct failure_code {
  static cell write(const std::optional<error>& value, const store_clock&) {
    return value ? cell{static_cast<std::int64_t>(value->code)} : cell{};
  }
  static bool read(const cell& from, std::optional<error>& to, const store_clock& clock) {
    std::optional<std::uint16_t> number;
    const bool fits = from_cell(from, number, clock);
    const auto code = number && fits ? errc_from(*number) : std::nullopt;
    to = number ? std::optional{error{code.value_or(errc::internal), {}}} : std::nullopt;
    return !number || code;
  }
};
struct failure_text {
  static cell write(const std::optional<error>& value, const store_clock& clock) {
    return value ? or_null::write(value->text, clock) : cell{};
  }
  static bool read(const cell& from, std::optional<error>& to, const store_clock& clock) {
    return !to || from_cell(from, to->text, clock);
  }
};

// The record in which a path of members begins.
template <class T>
auto& root(const auto& values, T job_row::*) {
  return *values.job;
}
template <class T>
auto& root(const auto& values, T row_extras::*) {
  return *values.extras;
}
template <class T>
auto& root(const auto& values, T meta_row::*) {
  return *values.meta;
}
template <auto First, auto... Rest>
auto& member_of(const auto& values) {
  return ((root(values, First).*First).*....*Rest);
}

/// A column of the member at the end of this path.
template <class Codec, auto... Path>
constexpr column coded(std::string_view name) {
  using value = std::remove_cvref_t<decltype(member_of<Path...>(std::declval<row_target>()))>;
  return {
      .name = name,
      .type = is_text<value> ? column_type::text : column_type::integer,
      .nullable = is_optional<value> || std::same_as<Codec, or_null>,
      .write =
          [](const row_source& from) { return Codec::write(member_of<Path...>(from), from.clock); },
      .read =
          [](const cell& from, const row_target& to) {
            return Codec::read(from, member_of<Path...>(to), to.clock);
          },
      .member = std::array<const char*, sizeof...(Path)>{&member_id<Path>...}.back()};
}
template <auto... Path>
constexpr column stored(std::string_view name) {
  return coded<plain, Path...>(name);
}
template <auto Member>
constexpr column request(std::string_view name) {
  return stored<&job_row::request, Member>(name);
}
template <auto Member>
constexpr column policy(std::string_view name) {
  return stored<&job_row::request, &job_request::policy, Member>(name);
}
constexpr column checksum(std::string_view name) {
  return {.name = name, .nullable = true, .sums = no_sum, .since = first_with_sums};
}

} // namespace tayfa::store
