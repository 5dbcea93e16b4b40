// SPDX-License-Identifier: GPL-3.0-or-later
//
// tEXt entries and the IPTC digital source type of generated media.

#include "ui/pages/marked_png.h"

#include <QString>

#include "engine/image/codec.h"

namespace velamen::ui {

namespace {

constexpr const char* kXmp =
    "<x:xmpmeta xmlns:x=\"adobe:ns:meta/\">"
    "<rdf:RDF xmlns:rdf=\"http://www.w3.org/1999/02/22-rdf-syntax-ns#\">"
    "<rdf:Description rdf:about=\"\" "
    "xmlns:Iptc4xmpExt=\"http://iptc.org/std/Iptc4xmpExt/2008-02-29/\" "
    "Iptc4xmpExt:DigitalSourceType=\"http://cv.iptc.org/newscodes/digitalsourcetype/"
    "trainedAlgorithmicMedia\"/></rdf:RDF></x:xmpmeta>";

} // namespace

Result<std::vector<std::byte>> markedPng(const image::Image& image, const PngMark& mark)
{
    const std::string source = mark.epsilon > 0.0
        ? QStringLiteral("Synthetic, DP epsilon=%1 delta=%2")
              .arg(mark.epsilon, 0, 'g', 6)
              .arg(mark.delta, 0, 'g', 3)
              .toStdString()
        : "Synthetic, of a public model";
    return image::encode_png(
        image, {{"Software", "Velamen"}, {"Source", source}, {"parameters", mark.parameters}},
        kXmp);
}

} // namespace velamen::ui
