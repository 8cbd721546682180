/* The group's number in its grid, also where the grid is queued in several launches, each with an
 * offset: get_group_id begins at 0 in each of them, get_global_id does not. `items`: of a group in
 * that dimension. get_num_groups and get_global_size would be those of a part: not for what a run
 * launches. */
#define GROUP_ID(dimension, items)                                                                 \
    ((int)get_group_id(dimension) + (int)((uint)get_global_offset(dimension) / (uint)(items)))
