// SPDX-License-Identifier: Apache-2.0
// Kinds of keys of a recipe: how a value is read, checked and printed.
#pragma once

#include <algorithm>
#include <limits>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

#include "base/text.h"
#include "train/recipe.h"

namespace coppice {

// kSmall as the least value stands for "above 0".
inline constexpr double kMany = 1e15, kSmall = std::numeric_limits<double>::denorm_min();

struct AboutKey {
  const char* name;
  const char* group;
  const char* wants;
  const char* help;
  bool on_resume = false;
};

inline RecipeKey key_of(const AboutKey& about, KeyKind kind, decltype(RecipeKey::parse) parse,
                        decltype(RecipeKey::print) print) {
  return {about.name,      about.group,      about.wants,      about.help, kind,
          about.on_resume, std::move(parse), std::move(print), {},         {}};
}

// A number in [least, most]; `field` gives the member.
template <class Field>
RecipeKey number_key(const AboutKey& about, Field field, double least, double most) {
  using Number = std::remove_reference_t<decltype(field(std::declval<Recipe&>()))>;
  return key_of(
      about, KeyKind::kNumber,
      [=](Recipe& recipe, const std::string& text) -> Status {
        Number value{};
        if (parse_number(text, &value) && static_cast<double>(value) >= least &&
            static_cast<double>(value) <= most) {
          field(recipe) = value;
          return {};
        }
        const std::string what = std::is_integral_v<Number> ? "an integer" : "a number";
        return invalid("'" + text + "' should be " + what +
                       (least == kSmall ? " above 0, up to " : " from " + shortest(least) + " to ") +
                       shortest(most));
      },
      [=](const Recipe& recipe) { return shortest(field(const_cast<Recipe&>(recipe))); });
}

inline RecipeKey text_key(const AboutKey& about, std::string Recipe::*field) {
  return key_of(
      about, KeyKind::kText,
      [=](Recipe& recipe, const std::string& text) -> Status {
        recipe.*field = text;
        return {};
      },
      [=](const Recipe& recipe) { return recipe.*field; });
}

template <class Field>
RecipeKey flag_key(const AboutKey& about, Field field) {
  return key_of(
      about, KeyKind::kFlag,
      [=](Recipe& recipe, const std::string& text) -> Status {
        if (text != "true" && text != "false") return invalid("'" + text + "' should be true or false");
        field(recipe) = text == "true";
        return {};
      },
      [=](const Recipe& recipe) {
        return std::string(field(const_cast<Recipe&>(recipe)) ? "true" : "false");
      });
}

template <class Field, class Enum>
RecipeKey choice_key(const AboutKey& about, Field field, std::vector<std::pair<const char*, Enum>> choices) {
  return key_of(
      about, KeyKind::kText,
      [=](Recipe& recipe, const std::string& text) -> Status {
        std::string known;
        for (const auto& [name, value] : choices) {
          if (text == name) {
            field(recipe) = value;
            return {};
          }
          append_item(known, name, ", ");
        }
        return invalid("'" + text + "' should be one of " + known);
      },
      [=](const Recipe& recipe) -> std::string {
        for (const auto& [name, value] : choices)
          if (value == field(const_cast<Recipe&>(recipe))) return name;
        return "";
      });
}

// A number with a unit: "90", "10m", "2G". Printed in the base unit.
template <class Field>
RecipeKey unit_key(const AboutKey& about, Field field, const std::vector<std::pair<char, double>>& units,
                   const char* example) {
  return key_of(
      about, KeyKind::kText,
      [=](Recipe& recipe, const std::string& text) -> Status {
        double factor = 1, value = 0;
        std::string digits = text;
        for (const auto& [letter, size] : units)
          if (!text.empty() && text.back() == letter) {
            factor = size;
            digits.pop_back();
            break;
          }
        if (!parse_number(digits, &value) || value < 0 || value * factor > 1e15)
          return invalid("'" + text + "' should be a number with or without a unit, such as " + example);
        field(recipe) = static_cast<std::remove_reference_t<decltype(field(recipe))>>(value * factor);
        return {};
      },
      [=](const Recipe& recipe) { return shortest(field(const_cast<Recipe&>(recipe))); });
}

// One number for each channel, in [least, most].
inline RecipeKey channels_key(const AboutKey& about, std::vector<double> Recipe::*field, double least,
                              double most) {
  return key_of(
      about, KeyKind::kNumbers,
      [=](Recipe& recipe, const std::string& text) -> Status {
        std::vector<double> numbers;
        for (size_t begin = 0; begin < text.size();) {
          const size_t end = std::min(text.find(',', begin), text.size());
          double& number = numbers.emplace_back();
          if (!parse_number(text.substr(begin, end - begin), &number) || number < least || number > most)
            return invalid("'" + text + "' should be numbers" + (least == kSmall ? " above 0" : "") +
                           " with commas between them, one for each channel, such as 0.49,0.46,0.41");
          begin = end + 1;
        }
        recipe.*field = std::move(numbers);
        return {};
      },
      [=](const Recipe& recipe) {
        std::string out;
        for (const double number : recipe.*field) append_item(out, shortest(number), ",");
        return out;
      });
}

}  // namespace coppice
