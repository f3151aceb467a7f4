// How a member of a record becomes a cell and is read back. What is read was written by us and may
// still be wrong (another tool, a damaged disk), so a codec says whether it ever wrote such a cell.
//
// A member's type chooses its codec; a column that stores it otherwise names one. Pure.
#pragma once

#include "runtime/store/column.hpp"

#include <array>
#include <concepts>
#include <limits>
#include <optional>
#include <utility>

namespace tayfa::store {

/// Numbers of states in stores: frozen. A new state goes behind the last.
inline constexpr std::array stored_states = {job_state::IN_QUEUE,  job_state::IN_PROGRESS,
                                             job_state::COMPLETED, job_state::FAILED,
                                             job_state::CANCELLED, job_state::TIMED_OUT};
constexpr std::size_t number_of(job_state state) {
  return static_cast<std::size_t>(std::find(stored_states.begin(), stored_states.end(), state) -
                                  stored_states.begin());
}
#define TAYFA_X(name) static_assert(number_of(job_state::name) < stored_states.size());
TAYFA_JOB_STATES(TAYFA_X)
#undef TAYFA_X

inline bool is_null(const cell& from) {
  return std::holds_alternative<std::monostate>(from);
}
/// 0 for NULL.
inline std::int64_t number_in(const cell& from) {
  const auto* const number = std::get_if<std::int64_t>(&from);
  return number == nullptr ? 0 : *number;
}
/// Empty for NULL.
inline std::string_view text_in(const cell& from) {
  const auto* const text = std::get_if<std::string_view>(&from);
  return text == nullptr ? std::string_view{} : *text;
}

template <std::int64_t Max>
struct number_up_to {
  static constexpr auto type = column_type::integer;
  static constexpr bool nullable = false;
  template <class T>
  static cell write(const T& value, const store_clock&) {
    return static_cast<std::int64_t>(value);
  }
  template <class T>
  static bool read(const cell& from, T& to, const store_clock&) {
    const auto number = number_in(from);
    const bool fits = number >= 0 && number <= Max;
    to = static_cast<T>(fits ? number : 0);
    return fits;
  }
};

/// 64 bits, as they are.
struct whole_number {
  static constexpr auto type = column_type::integer;
  static constexpr bool nullable = false;
  template <class T>
  static cell write(const T& value, const store_clock&) {
    return static_cast<std::int64_t>(value);
  }
  template <class T>
  static bool read(const cell& from, T& to, const store_clock&) {
    to = static_cast<T>(number_in(from));
    return true;
  }
};

/// The job's order, with which each table's row begins.
struct row_key : whole_number {
  static bool read(const cell& from, std::uint64_t& to, const store_clock&) {
    const auto found = static_cast<std::uint64_t>(number_in(from));
    to = to == 0 ? found : to;
    return found != 0 && found == to;
  }
};

template <bool Nullable>
struct plain_text {
  static constexpr auto type = column_type::text;
  static constexpr bool nullable = Nullable;
  static cell write(std::string_view value, const store_clock&) {
    return Nullable && value.empty() ? cell{} : cell{value};
  }
  template <class T>
  static bool read(const cell& from, T& to, const store_clock&) {
    to = T{text_in(from)};
    return true;
  }
};
using text_or_null = plain_text<true>;

template <class T>
struct codec;
template <>
struct codec<bool> : number_up_to<1> {};
template <>
struct codec<std::uint8_t> : number_up_to<std::numeric_limits<std::uint8_t>::max()> {};
template <>
struct codec<std::uint32_t> : number_up_to<std::numeric_limits<std::uint32_t>::max()> {};
template <>
struct codec<std::uint64_t> : whole_number {};
template <>
struct codec<std::int64_t> : whole_number {};
template <>
struct codec<std::string> : plain_text<false> {};

template <>
struct codec<milliseconds> : whole_number {
  static cell write(milliseconds value, const store_clock&) { return std::int64_t{value.count()}; }
  static bool read(const cell& from, milliseconds& to, const store_clock&) {
    to = milliseconds{number_in(from)};
    return true;
  }
};

template <>
struct codec<moment> : whole_number {
  static cell write(moment value, const store_clock& clock) { return clock.to_store(value); }
  static bool read(const cell& from, moment& to, const store_clock& clock) {
    to = clock.from_store(number_in(from));
    return true;
  }
};
/// The default moment means "at once" and must mean so in every process.
struct moment_or_null : codec<moment> {
  static constexpr bool nullable = true;
  static cell write(moment value, const store_clock& clock) {
    return value == moment{} ? cell{} : codec<moment>::write(value, clock);
  }
  static bool read(const cell& from, moment& to, const store_clock& clock) {
    to = {};
    return is_null(from) || codec<moment>::read(from, to, clock);
  }
};

template <class T>
struct codec<std::optional<T>> : codec<T> {
  static constexpr bool nullable = true;
  static cell write(const std::optional<T>& value, const store_clock& clock) {
    return value ? codec<T>::write(*value, clock) : cell{};
  }
  static bool read(const cell& from, std::optional<T>& to, const store_clock& clock) {
    to.reset();
    return is_null(from) || codec<T>::read(from, to.emplace(), clock);
  }
};

template <>
struct codec<job_id> : plain_text<false> {
  static cell write(const job_id& value, const store_clock&) {
    return std::string_view{value.str()};
  }
  static bool read(const cell& from, job_id& to, const store_clock&) {
    auto id = job_id::parse(text_in(from));
    const bool good = id.has_value();
    to = std::move(id).value_or(job_id{});
    return good;
  }
};

template <>
struct codec<job_state> : number_up_to<stored_states.size() - 1> {
  static cell write(job_state value, const store_clock&) {
    return static_cast<std::int64_t>(number_of(value));
  }
  static bool read(const cell& from, job_state& to, const store_clock& clock) {
    std::size_t number = 0;
    const bool fits = number_up_to::read(from, number, clock);
    to = stored_states[number];
    return fits;
  }
};

/// A failure is two columns: its code, and behind it its text.
struct failure_code : whole_number {
  static constexpr bool nullable = true;
  static cell write(const std::optional<error>& value, const store_clock&) {
    return value ? cell{static_cast<std::int64_t>(value->code)} : cell{};
  }
  static bool read(const cell& from, std::optional<error>& to, const store_clock&) {
    to.reset();
    if (is_null(from)) {
      return true;
    }
    const auto number = number_in(from);
    const bool fits = number >= 0 && number <= std::numeric_limits<std::uint16_t>::max();
    const auto code = fits ? errc_from(static_cast<std::uint16_t>(number)) : std::nullopt;
    to = error{code.value_or(errc::internal), {}};
    return code.has_value();
  }
};
struct failure_text : text_or_null {
  static cell write(const std::optional<error>& value, const store_clock& clock) {
    return value ? text_or_null::write(value->text, clock) : cell{};
  }
  static bool read(const cell& from, std::optional<error>& to, const store_clock&) {
    if (to) {
      to->text = text_in(from);
    }
    return true;
  }
};

template <class T>
struct member_type;
template <class Owner, class T>
struct member_type<T Owner::*> {
  using owner = Owner;
  using value = T;
};

template <auto First, auto... Rest>
constexpr auto& follow(auto& from) {
  if constexpr (sizeof...(Rest) == 0) {
    return from.*First;
  } else {
    return follow<Rest...>(from.*First);
  }
}
/// The member at the end of this path, in the record that has its beginning.
template <auto First, auto... Rest>
constexpr auto& member_of(const auto& values) {
  using record = typename member_type<decltype(First)>::owner;
  if constexpr (std::same_as<record, job_row>) {
    return follow<First, Rest...>(*values.job);
  } else if constexpr (std::same_as<record, row_extras>) {
    return follow<First, Rest...>(*values.extras);
  } else {
    static_assert(std::same_as<record, meta_row>);
    return follow<First, Rest...>(*values.meta);
  }
}

template <auto First, auto... Rest>
struct last_of : last_of<Rest...> {};
template <auto Only>
struct last_of<Only> {
  static constexpr auto value = Only;
  using type = typename member_type<decltype(Only)>::value;
};

/// A column that a codec of its own writes and reads.
template <class Codec, auto... Path>
constexpr column coded(std::string_view name) {
  return {
      .name = name,
      .type = Codec::type,
      .nullable = Codec::nullable,
      .write =
          [](const row_source& from) { return Codec::write(member_of<Path...>(from), from.clock); },
      .read = [](const cell& from,
                 row_target& to) { return Codec::read(from, member_of<Path...>(to), to.clock); },
      .member = &member_id<last_of<Path...>::value>};
}
template <auto... Path>
constexpr column stored(std::string_view name) {
  return coded<codec<typename last_of<Path...>::type>, Path...>(name);
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
  return column{.name = name, .nullable = true}.under(no_sum).from(3);
}

} // namespace tayfa::store
