// SPDX-License-Identifier: GPL-3.0-or-later
//
// What checkpoints in one file are called.

#pragma once

#include <array>

#include <QObject>
#include <QStringList>

namespace velamen::ui {

inline constexpr std::array kCheckpointEndings{".safetensors", ".ckpt", ".pt", ".pth"};

/// For file dialogs.
inline QString checkpointFilter()
{
    QStringList patterns;
    for (const char* ending : kCheckpointEndings)
        patterns << QLatin1Char('*') + QLatin1String(ending);
    return QObject::tr("Checkpoints (%1)").arg(patterns.join(QLatin1Char(' ')));
}

} // namespace velamen::ui
