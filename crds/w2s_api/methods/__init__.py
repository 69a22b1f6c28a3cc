"""The methods that a manifest can name: one settings class and one line in the table of its kind for each.

A settings class says everything that the rest of the house has to know of its method. The trainer implements it in a
module of the same name, which `w2s_trainer.methods` finds; a test holds tables and modules equal. Unions, enumerations,
rules for the API server, field reference, versions and keys come from the tables.

| kind | table | modules of the trainer |
|---|---|---|
| labeler | `labelers.LABELERS` | `stages.label` |
| aggregation | `aggregations.AGGREGATIONS` | `stages.aggregate` |
| selection step | `selection_steps.SELECTION_STEPS` | `stages.select` |
| adaptation step | `adaptation_steps.ADAPTATION_STEPS` | `stages.adapt` |
| finish step | `finish_steps.FINISH_STEPS` | `stages.finish` |
| loss | `losses.LOSSES` | `tuning.losses` |
| tuning | `tunings.TUNINGS` | `tuning.tunings` |
| synthesis step | `synthesis_steps.SYNTHESIS_STEPS` | `stages.synthesise` |
"""
