"""get_gimp_info tells what is there, really looked up, and no secrets."""

import os

from harness import Gimp


def test_everything_of_the_specification_is_there(client, gimp):
    client.call("create_new_image", width=312, height=208)
    info = client.call("get_gimp_info")
    version = client.eval("Gimp.version()")
    assert version.startswith(gimp.version)
    assert info["version"]["version_method"] == info["version"]["detected_version"] == version
    assert "version" in info["version"]["available_version_attributes"] and info["version"]["gimp_module_type"]
    directories = info["directories"]
    assert directories["user_directory"] == str(gimp.profile)
    assert client.eval(f"__import__('os').path.isdir({directories['system_data_directory']!r})")
    assert client.eval(f"__import__('os').path.isdir({directories['plugin_directory'] + '/file-png'!r})")
    assert "data_directory" in directories["available_directory_methods"]
    session = info["session"]
    assert session["num_open_images"] == 1 and session["has_open_images"] is True and session["headless"] is True
    file = session["open_image_files"][0]
    assert (file["index"], file["width"], file["height"], file["base_type"], file["path"], file["is_dirty"]) == (
        0,
        312,
        208,
        "RGB",
        None,
        False,
    )
    assert (
        info["context"]["foreground_color"] == "rgba(0,0,0,1)"
        and info["context"]["background_color"] == "rgba(255,255,255,1)"
    )
    assert info["context"]["brush_size"] > 0
    capabilities = info["capabilities"]
    for name in (
        "has_python_console",
        "mcp_server_running",
        "supports_image_export",
        "supports_metadata_export",
        "supports_gimp_info",
    ):
        assert capabilities[name] is True
    assert capabilities["api_version"] == "3.0+" and capabilities["gimp_module_attributes"] > 100
    assert {"Brush", "Channel", "Display", "Drawable"} <= set(capabilities["gimp_methods"])
    assert info["system"]["python_version"] == client.eval("__import__('platform').python_version()")
    assert info["system"]["environment_vars"]["HOME"] == str(gimp.home)


def test_a_list_of_open_images_that_is_cut_says_so(client):
    assert "notes" not in client.call("get_gimp_info")
    made = [client.call("create_new_image", width=304, height=203)["image"] for _ in range(23)]
    info = client.call("get_gimp_info")
    session = info["session"]
    assert session["num_open_images"] >= 23 and len(session["open_image_files"]) == 20
    count = session["num_open_images"]
    assert f"with {count} open images, the first 20" in info["message"]
    assert info["notes"] == [f"open_image_files holds 20 of {count} open images: list_images has all of them"]
    assert len(client.call("list_images")["images"]) == count
    for image in made:
        client.call("close_image", image=image, discard_changes=True)


def test_samples_are_really_looked_up(client):
    info = client.call("get_gimp_info")
    samples = info["pdb"]["sample_procedures"]
    assert {"name": "file-png-export", "available": True} in samples and {
        "name": "gimp-image-new",
        "available": True,
    } in samples
    assert any(not row["available"] for row in samples)
    for row in samples:
        assert client.eval(f"Gimp.get_pdb().procedure_exists({row['name']!r})") is row["available"]
    for row in info["capabilities"]["available_modules"]:
        name = row["name"].removeprefix("gi.repository.")
        script = (
            f"__import__('gi').Repository.get_default().enumerate_versions({name!r}) != []"
            if "." in row["name"]
            else f"__import__('importlib.util').util.find_spec({name!r}) is not None"
        )
        assert client.eval(script) is row["available"]
    assert {"png", "jpeg", "webp", "tiff", "gif", "bmp", "psd", "exr", "xcf"} <= set(
        info["capabilities"]["writable_formats"]
    )


def test_no_secret_of_the_environment_leaves(gimp_version):
    os.environ["GIMP_BRIDGE_TEST_TOKEN"] = "s3cret-value"
    try:
        with (
            Gimp(
                gimp_version, settings={"read_only": True}, environment={"AWS_SECRET_ACCESS_KEY": "s3cret-value"}
            ) as own,
            own.client() as client,
        ):
            info = client.call("get_gimp_info")
            assert "s3cret-value" not in str(info)
            assert info["capabilities"]["policy"]["read_only"] is True
    finally:
        del os.environ["GIMP_BRIDGE_TEST_TOKEN"]
