// A size in generated code: whole numbers and symbols, added and multiplied ("2L*s27 + 1L"). Pure.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace tayfa::engine {

class size_expression {
 public:
  using values = std::map<std::string, std::int64_t, std::less<>>;

  /// Empty when the text has anything else (a division, a function).
  static std::optional<size_expression> read(std::string_view text);

  /// The name, if the expression is a single symbol.
  std::optional<std::string> symbol() const;
  /// The value; empty when a symbol is unknown or the value does not fit.
  std::optional<std::int64_t> value(const values&) const;
  std::vector<std::string> unknown(const values&) const;
  /// The value of the one unknown symbol for which the expression is `wanted`; empty when there is
  /// no such whole number from 0, or the symbol is multiplied by itself.
  std::optional<std::int64_t> solve(const values&, std::int64_t wanted) const;

 private:
  struct term {
    std::int64_t factor = 1;
    std::vector<std::string> symbols{};
  };
  class reader;

  static std::optional<std::int64_t> value_of(const term&, const values&,
                                              std::string_view except = {});

  std::vector<term> terms_;
};

} // namespace tayfa::engine
