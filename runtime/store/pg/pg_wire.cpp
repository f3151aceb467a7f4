#include "runtime/store/pg/pg_wire.hpp"

namespace tayfa::store {

namespace {

constexpr std::size_t head_bytes = 20; ///< dimensions, has NULLs, element type, size, lower bound
constexpr std::uint32_t oid_bytea = 17;
constexpr std::uint32_t oid_int8 = 20;

void write_at(char* to, std::uint64_t number, std::size_t bytes) {
  for (std::size_t i = 0; i < bytes; ++i) {
    to[i] = static_cast<char>(number >> (8 * (bytes - 1 - i)));
  }
}
void append(std::string& to, std::uint64_t number, std::size_t bytes) {
  to.resize(to.size() + bytes);
  write_at(to.data() + to.size() - bytes, number, bytes);
}

} // namespace

pg_value pg_number(std::int64_t number) {
  pg_value out;
  append(out.bytes, static_cast<std::uint64_t>(number), 8);
  return out;
}
pg_value pg_bytes(std::string_view bytes) {
  return {.bytes = std::string{bytes}};
}

pg_array::pg_array(column_type type) : bytes_(head_bytes, '\0') {
  write_at(bytes_.data(), 1, 4);
  write_at(bytes_.data() + 8, type == column_type::integer ? oid_int8 : oid_bytea, 4);
  write_at(bytes_.data() + 16, 1, 4);
}

void pg_array::add(std::int64_t number) {
  append(bytes_, 8, 4);
  append(bytes_, static_cast<std::uint64_t>(number), 8);
  ++size_;
}

void pg_array::add(std::string_view text) {
  append(bytes_, text.size(), 4);
  bytes_ += text;
  ++size_;
}

void pg_array::add(const cell& value) {
  if (const auto* const number = std::get_if<std::int64_t>(&value)) {
    add(*number);
  } else if (const auto* const text = std::get_if<std::string_view>(&value)) {
    add(*text);
  } else {
    append(bytes_, 0xffffffffU, 4); // a size of -1 is NULL
    has_null_ = true;
    ++size_;
  }
}

pg_value pg_array::take() {
  write_at(bytes_.data() + 4, has_null_ ? 1 : 0, 4);
  write_at(bytes_.data() + 12, size_, 4);
  size_ = 0;
  return {.bytes = std::exchange(bytes_, {})};
}

std::int64_t number_of_wire(std::string_view bytes) {
  std::uint64_t out = 0;
  for (const char each : bytes) {
    out = out << 8 | static_cast<unsigned char>(each);
  }
  switch (bytes.size()) {
  case 1: return static_cast<std::int64_t>(out);
  case 2: return static_cast<std::int16_t>(out);
  case 4: return static_cast<std::int32_t>(out);
  case 8: return static_cast<std::int64_t>(out);
  default: return 0;
  }
}

} // namespace tayfa::store
