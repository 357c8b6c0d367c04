"""Which operations touch pixels, what each may touch, and how the sweep over pictures of all kinds calls it."""

# What an operation may touch. "pixels": those of the layer inside of the selection, and nothing else; "layer": the
# layer, its size and place; "new": adds layers, and changes none; "selection", "channel": that, and no layer;
# "image": all of it. (A shadow makes its layer larger, and an outline lies on both sides of what is selected.)
PIXELS = {
    "pixels": """
        adjust_brightness_contrast adjust_hue_saturation adjust_levels adjust_curves adjust_color_balance
        adjust_color_temperature adjust_exposure adjust_shadows_highlights adjust_saturation auto_levels tone_map desaturate
        invert_colors apply_threshold posterize colorize apply_sepia apply_gradient_map color_to_alpha mix_channels
        replace_color dither_colors extract_component apply_blur apply_sharpen reduce_noise add_noise detect_edges
        apply_emboss apply_convolution apply_vignette apply_glow apply_distortion apply_artistic fill_selection
        clear_selection bucket_fill draw_gradient draw_brush_stroke retouch_stroke draw_line draw_rectangle draw_ellipse
        draw_polygon stroke_path fill_path apply_gegl_operation call_procedure warp_layer filter_place""",
    "layer": """
        move_layer scale_layer rotate_layer flip_layer shear_layer change_perspective resize_layer set_layer_alpha
        set_layer_properties add_layer_mask set_layer_mask remove_layer_mask edit_layer_effect remove_layer_effect
        merge_layer_effects rasterize_layer edit_text_layer apply_drop_shadow stroke_selection""",
    "new": """
        create_layer create_layer_from_visible duplicate_layer copy_selection paste_clipboard
        add_text_layer text_along_path""",
    "selection": """
        create_rectangle_selection create_ellipse_selection create_polygon_selection select_none select_all
        invert_selection modify_selection move_selection select_by_color select_contiguous select_from""",
    "channel": "save_selection_to_channel create_channel set_channel_properties delete_channel",
    "image": """
        resize_image crop_image rotate_image flip_image resize_canvas convert_image_mode convert_image_precision
        set_color_profile create_layer_group delete_layer reorder_layer merge_layers""",
}
KINDS = {name: kind for kind, names in PIXELS.items() for name in names.split()}
# The rest, and why it is not here
NOT_PIXELS = {
    "made of operations that are here": "batch run_operation run_ai_filter select_subject call_api generate_image",
    "takes an image generator (test_generate_inside, test_generate_area)": "fill_selection_with_prompt vary_image generate_place",
    "images of the daemon, and what a dialog shows": "delete_image filter_copy filter_show",
    "opens, saves or closes": """
        open_image open_file save_image write_file close_image create_new_image duplicate_image export_for_web export_icons
        export_layers export_sprite_sheet export_animation export_batch restore_snapshot drop_session_image""",
    "the way back, which every case here goes": "undo restore_checkpoint",
    "facts, outlines and settings": """
        set_image_resolution set_guides set_sample_points set_grid set_file_metadata select_layers set_layer_locks
        set_context_state create_path path_from_svg path_to_svg path_from_selection path_from_text set_path_properties
        transform_path delete_path create_gradient create_palette create_brush delete_resource""",
}
# Arguments where the first example does not fit here, and what must be there before: (operation, arguments)
ARGUMENTS = {
    "adjust_shadows_highlights": {"shadows": 60, "highlights": -60, "radius": 20},
    "bucket_fill": {"point": [120, 100], "color": "orange", "threshold": 60},
    "retouch_stroke": {"tool": "clone", "source": [100, 100], "stroke_points": [[140, 90], [170, 110]]},
    "draw_rectangle": {"x": 60, "y": 50, "width": 100, "height": 90, "fill_color": "#3060c0"},
    "draw_ellipse": {"x": 60, "y": 50, "width": 100, "height": 90, "fill_color": "gold"},
    "draw_polygon": {"points": [[30, 60], [200, 75], [140, 190]], "fill_color": "green", "outline_color": "black"},
    "draw_line": {"points": [[-30, -20], [280, 160]], "color": "red", "width": 5},
    "draw_brush_stroke": {"stroke_points": [[40, 60], [200, 150]], "color": "red", "brush_size": 18},
    "warp_layer": {"points": [[120, 100, 135, 110]], "radius": 40},
    "edit_text_layer": {"color": "red"},
    "draw_gradient": {"colors": ["#204080", "white"], "start": [30, 60], "end": [200, 150], "dither": False},
    "apply_gegl_operation": {"operation": "gegl:gaussian-blur", "properties": {"std-dev-x": 4.0, "std-dev-y": 2.0}},
    "change_perspective": {"corners": [[-60, -50], [340, -70], [330, 180], [-80, 150]]},
    "crop_image": {"x": 40, "y": 30, "width": 200, "height": 140},
    "resize_canvas": {"width": 320, "height": 260, "fill": "white"},
    "set_layer_properties": {"opacity": 42.5, "mode": "multiply"},
    "set_layer_mask": {"invert": True},
    "text_along_path": {"text": "round", "size": 14},
    "move_selection": {"dx": 30, "dy": -14},
    "modify_selection": {"action": "feather", "amount": 9},
    "create_polygon_selection": {"points": [[-30, 20], [250, 15], [140, 260]]},
    "select_from": {"source": "alpha"},
    "create_channel": {"source": "luminosity"},
    "copy_selection": {"cut": False},
    "set_color_profile": {"action": "assign", "profile": "srgb-linear"},
    "create_layer_group": {"name": "retouch"},
}
FIRST = {
    "paste_clipboard": ("copy_selection", {"to": "clipboard"}),
    "set_channel_properties": ("save_selection_to_channel", {}),
    "delete_channel": ("save_selection_to_channel", {}),
    "remove_layer_mask": ("add_layer_mask", {"fill": "selection"}),
    "set_layer_mask": ("add_layer_mask", {"fill": "selection"}),
    **dict.fromkeys(("stroke_path", "fill_path", "text_along_path"), (
        "create_path", {"strokes": [{"points": [[30, 140], [140, -30], [290, 120]], "smooth": True}]})),
    **dict.fromkeys(("edit_text_layer", "rasterize_layer"), ("add_text_layer", {"text": "Words", "x": -20, "y": 150, "size": 60})),
    **dict.fromkeys(("edit_layer_effect", "remove_layer_effect", "merge_layer_effects"), ("apply_blur", {
        "radius": 5, "as_effect": True})),
}
