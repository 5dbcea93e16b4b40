// SPDX-License-Identifier: GPL-3.0-or-later
//
// Licences were read in /usr/share/doc/<package>/copyright of Debian 12; where a file offers a
// choice, one that allows pictures of the letters to be given away is named. "font exception": a
// document that uses the font is not covered by its licence. Families under a GPL without that
// exception, or under CC BY-SA, are left out.

#include "engine/data/free_fonts.h"

#include <algorithm>
#include <array>
#include <map>
#include <string>
#include <system_error>

#include "engine/image/glyph.h"

namespace velamen::data {

namespace {

namespace fs = std::filesystem;

constexpr std::size_t kFilesPerFamily = 4;

constexpr std::array kFamilies{
    FreeFamily{"Accanthis ADF Std", "fonts-adf-accanthis", "GPL-2.0-or-later, font exception"},
    FreeFamily{"Allerta", "fonts-allerta", "OFL-1.1"},
    FreeFamily{"Andika", "fonts-sil-andika", "OFL-1.1"},
    FreeFamily{"Averia GWF", "fonts-averia-gwf", "OFL-1.1"},
    FreeFamily{"Averia Sans GWF", "fonts-averia-sans-gwf", "OFL-1.1"},
    FreeFamily{"Averia Serif GWF", "fonts-averia-serif-gwf", "OFL-1.1"},
    FreeFamily{"B612", "fonts-b612", "OFL-1.1"},
    FreeFamily{"Because We Build", "fonts-bwht", "OFL-1.1"},
    FreeFamily{"Because We Connect", "fonts-bwht", "OFL-1.1"},
    FreeFamily{"Because We Create", "fonts-bwht", "OFL-1.1"},
    FreeFamily{"Because We Learn", "fonts-bwht", "OFL-1.1"},
    FreeFamily{"Because We Mentor", "fonts-bwht", "OFL-1.1"},
    FreeFamily{"Because We Organize", "fonts-bwht", "OFL-1.1"},
    FreeFamily{"Breip", "fonts-breip", "OFL-1.0"},
    FreeFamily{"C059", "fonts-urw-base35", "AGPL-3.0-only, font exception"},
    FreeFamily{"Cabin", "fonts-cabin", "OFL-1.1"},
    FreeFamily{"Caladea", "fonts-crosextra-caladea", "Apache-2.0"},
    FreeFamily{"Cantarell", "fonts-cantarell", "OFL-1.1"},
    FreeFamily{"Carlito", "fonts-crosextra-carlito", "OFL-1.1"},
    FreeFamily{"Charis SIL", "fonts-sil-charis", "OFL-1.1"},
    FreeFamily{"Clear Sans", "fonts-clear-sans", "Apache-2.0"},
    FreeFamily{"Clear Sans Light", "fonts-clear-sans", "Apache-2.0"},
    FreeFamily{"Clear Sans Thin", "fonts-clear-sans", "Apache-2.0"},
    FreeFamily{"Comfortaa", "fonts-comfortaa", "OFL-1.1"},
    FreeFamily{"Comic Neue", "fonts-comic-neue", "OFL-1.1"},
    FreeFamily{"Courier Prime", "fonts-courier-prime", "OFL-1.1"},
    FreeFamily{"Courier Prime Sans", "fonts-courier-prime", "OFL-1.1"},
    FreeFamily{"Dancing Script", "fonts-dancingscript", "OFL-1.1"},
    FreeFamily{"DejaVu Sans", "fonts-dejavu-core", "Bitstream-Vera"},
    FreeFamily{"DejaVu Sans Mono", "fonts-dejavu-core", "Bitstream-Vera"},
    FreeFamily{"DejaVu Serif", "fonts-dejavu-core", "Bitstream-Vera"},
    FreeFamily{"Delphine", "fonts-sjfonts", "GPL-2.0-or-later, font exception"},
    FreeFamily{"DkgHandwriting", "fonts-dkg-handwriting", "OFL-1.1"},
    FreeFamily{"Dosis", "fonts-dosis", "OFL-1.1"},
    FreeFamily{"EB Garamond", "fonts-ebgaramond", "OFL-1.1"},
    FreeFamily{"Ecolier_court", "fonts-ecolier-court", "OFL-1.1"},
    FreeFamily{"Fantasque Sans Mono", "fonts-fantasque-sans", "OFL-1.1"},
    FreeFamily{"Fanwood", "fonts-fanwood", "MIT"},
    FreeFamily{"FreeMono", "fonts-freefont-otf", "GPL-3.0-or-later, font exception"},
    FreeFamily{"FreeSans", "fonts-freefont-otf", "GPL-3.0-or-later, font exception"},
    FreeFamily{"FreeSerif", "fonts-freefont-otf", "GPL-3.0-or-later, font exception"},
    FreeFamily{"Gentium Plus", "fonts-sil-gentiumplus", "OFL-1.1"},
    FreeFamily{"Gillius ADF", "fonts-adf-gillius", "GPL-2.0-or-later, font exception"},
    FreeFamily{"Go", "fonts-go", "BSD-3-Clause"},
    FreeFamily{"Go Mono", "fonts-go", "BSD-3-Clause"},
    FreeFamily{"Goudy Bookletter 1911", "fonts-goudybookletter", "public domain"},
    FreeFamily{"Humor Sans", "fonts-humor-sans", "OFL-1.1"},
    FreeFamily{"Inconsolata", "fonts-inconsolata", "OFL-1.0"},
    FreeFamily{"Joscelyn", "fonts-joscelyn", "OFL-1.1"},
    FreeFamily{"Junction", "fonts-junction", "OFL-1.1"},
    FreeFamily{"Junicode Two Beta", "fonts-junicode", "OFL-1.1"},
    FreeFamily{"Jura", "fonts-jura", "OFL-1.1"},
    FreeFamily{"Karla", "fonts-karla", "OFL-1.1"},
    FreeFamily{"Karmilla", "fonts-karmilla", "OFL-1.1"},
    FreeFamily{"Kaushan Script", "fonts-kaushanscript", "OFL-1.1"},
    FreeFamily{"Klee One", "fonts-klee", "OFL-1.1"},
    FreeFamily{"Kristi", "fonts-kristi", "OFL-1.1"},
    FreeFamily{"Lato", "fonts-lato", "OFL-1.1"},
    FreeFamily{"League Spartan", "fonts-league-spartan", "OFL-1.1"},
    FreeFamily{"Leckerli One", "fonts-leckerli-one", "OFL-1.1"},
    FreeFamily{"Lemonada", "fonts-lemonada", "OFL-1.1"},
    FreeFamily{"Liberation Mono", "fonts-liberation", "GPL-2.0-only, font exception"},
    FreeFamily{"Liberation Sans", "fonts-liberation", "GPL-2.0-only, font exception"},
    FreeFamily{"Liberation Serif", "fonts-liberation", "GPL-2.0-only, font exception"},
    FreeFamily{"Linden Hill", "fonts-lindenhill", "MIT"},
    FreeFamily{"Linux Biolinum O", "fonts-linuxlibertine", "OFL-1.1"},
    FreeFamily{"Linux Libertine O", "fonts-linuxlibertine", "OFL-1.1"},
    FreeFamily{"Lobster Two", "fonts-lobstertwo", "OFL-1.1"},
    FreeFamily{"Manrope", "fonts-manrope", "OFL-1.1"},
    FreeFamily{"National Park", "fonts-national-park", "OFL-1.1"},
    FreeFamily{"Nimbus Mono PS", "fonts-urw-base35", "AGPL-3.0-only, font exception"},
    FreeFamily{"Nimbus Roman", "fonts-urw-base35", "AGPL-3.0-only, font exception"},
    FreeFamily{"Nimbus Sans", "fonts-urw-base35", "AGPL-3.0-only, font exception"},
    FreeFamily{"Old Standard TT", "fonts-oldstandard", "OFL-1.0"},
    FreeFamily{"Open Sans", "fonts-open-sans", "Apache-2.0"},
    FreeFamily{"Oxygen-Sans", "fonts-oxygen", "OFL-1.1"},
    FreeFamily{"P052", "fonts-urw-base35", "AGPL-3.0-only, font exception"},
    FreeFamily{"Play", "fonts-play", "OFL-1.1"},
    FreeFamily{"Prociono", "fonts-prociono", "public domain"},
    FreeFamily{"Purisa", "fonts-tlwg-purisa-ttf", "GPL-2.0-or-later, font exception"},
    FreeFamily{"Quattrocento", "fonts-quattrocento", "OFL-1.1"},
    FreeFamily{"Quicksand", "fonts-quicksand", "OFL-1.1"},
    FreeFamily{"Quicksand Light", "fonts-quicksand", "OFL-1.1"},
    FreeFamily{"Roboto", "fonts-roboto-unhinted", "Apache-2.0"},
    FreeFamily{"Romande ADF Script Std", "fonts-adf-romande", "GPL-2.0-or-later, font exception"},
    FreeFamily{"Romande ADF Std", "fonts-adf-romande", "GPL-2.0-or-later, font exception"},
    FreeFamily{"Rufscript", "fonts-rufscript", "GPL-3.0-or-later, font exception"},
    FreeFamily{"SetoFont", "fonts-seto", "OFL-1.1"},
    FreeFamily{"Sora", "fonts-sora", "OFL-1.1"},
    FreeFamily{"Steve", "fonts-sjfonts", "GPL-2.0-or-later, font exception"},
    FreeFamily{"Tuffy", "fonts-tuffy", "public domain"},
    FreeFamily{"URW Bookman", "fonts-urw-base35", "AGPL-3.0-only, font exception"},
    FreeFamily{"URW Gothic", "fonts-urw-base35", "AGPL-3.0-only, font exception"},
    FreeFamily{"Universalis ADF Std", "fonts-adf-universalis", "GPL-2.0-or-later, font exception"},
    FreeFamily{"Vollkorn", "fonts-vollkorn", "OFL-1.1"},
    FreeFamily{"Yanone Kaffeesatz", "fonts-yanone-kaffeesatz", "OFL-1.1"},
    FreeFamily{"Yusei Magic", "fonts-yusei-magic", "OFL-1.1"},
    FreeFamily{"Z003", "fonts-urw-base35", "AGPL-3.0-only, font exception"},
};

} // namespace

std::span<const FreeFamily> free_families() { return kFamilies; }

const FreeFamily* free_family(std::string_view family)
{
    const auto found =
        std::find_if(kFamilies.begin(), kFamilies.end(),
                     [&](const FreeFamily& entry) { return entry.family == family; });
    return found == kFamilies.end() ? nullptr : &*found;
}

std::vector<fs::path> find_free_fonts(const fs::path& root)
{
    std::map<std::string, std::vector<fs::path>> families;
    std::error_code error;
    auto entry = fs::recursive_directory_iterator(
        root, fs::directory_options::skip_permission_denied, error);
    for (; !error && entry != fs::recursive_directory_iterator(); entry.increment(error)) {
        const std::string ending = entry->path().extension().string();
        if (ending != ".ttf" && ending != ".otf") continue;
        const auto font = image::FontFile::open(entry->path());
        if (font && free_family(font->family()) != nullptr)
            families[font->family()].push_back(entry->path());
    }
    std::vector<fs::path> result;
    for (auto& [family, files] : families) {
        std::sort(files.begin(), files.end());
        // At even steps, so that light and bold, upright and italic ones are among them.
        const std::size_t count = std::min(files.size(), kFilesPerFamily);
        for (std::size_t i = 0; i < count; ++i)
            result.push_back(files[i * files.size() / count]);
    }
    std::sort(result.begin(), result.end());
    return result;
}

} // namespace velamen::data
